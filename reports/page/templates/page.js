"use strict";

// Sorting: data-sort of a cell has its value. A cell without a value stays at the end.
function compare(a, b) {
  const [x, y] = [Number(a), Number(b)];
  return Number.isNaN(x) || Number.isNaN(y) ? a.localeCompare(b) : x - y;
}

function sortBy(table, column, direction) {
  const body = table.tBodies[0];
  const value = (row) => row.cells[column].dataset.sort;
  const rows = [...body.rows].sort((a, b) => {
    if (value(a) === undefined || value(b) === undefined) {
      return (value(a) === undefined) - (value(b) === undefined);
    }
    return direction * compare(value(a), value(b));
  });
  body.append(...rows);
}

for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    head.querySelector("button").addEventListener("click", () => {
      const rising = head.getAttribute("aria-sort") !== "ascending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", rising ? "ascending" : "descending");
      sortBy(table, column, rising ? 1 : -1);
    });
  });
}

// The filter hides the parts of other datasets.
const filter = document.getElementById("filter");
const chosen = document.getElementById("chart-dataset");
filter?.addEventListener("change", () => {
  for (const part of document.querySelectorAll("[data-dataset]")) {
    part.hidden = filter.value !== "" && part.dataset.dataset !== filter.value;
  }
  if (chosen && [...chosen.options].some((option) => option.value === filter.value)) {
    chosen.value = filter.value;
    draw();
  }
});

// The chart: one trace a method, for one dataset at a time.
function escaped(text) {
  const node = document.createElement("span");
  node.textContent = text;
  return node.innerHTML.replaceAll("\n", "<br>");
}

function trace(point) {
  return {
    type: "scatter", mode: "markers", name: escaped(point.method),
    x: [point.seconds], y: [point.accuracy],
    text: [escaped(point.text)], hovertemplate: "%{text}<extra></extra>",
    marker: { color: point.colour, symbol: point.symbol, size: 12, line: { color: "white", width: 1 } },
    error_y: {
      type: "data", symmetric: false, array: [point.above], arrayminus: [point.below],
      color: point.colour, thickness: 1.2, width: 3,
    },
  };
}

function draw() {
  const all = JSON.parse(document.getElementById("points").textContent);
  const small = window.innerWidth < 700;
  const layout = {
    xaxis: { type: "log", title: { text: "total seconds" }, dtick: 1, gridcolor: "#e3e6ec" },
    yaxis: { title: { text: "balanced accuracy" }, gridcolor: "#e3e6ec", zeroline: false },
    showlegend: !small, // on a phone it would cover the chart, and a touch shows the name of a mark
    margin: { l: 60, r: 20, t: 20, b: 60 }, hovermode: "closest",
    font: { family: "system-ui, sans-serif", color: "#1d2433" },
  };
  const data = all.filter((point) => point.dataset === chosen.value).map(trace);
  Plotly.react("chart", data, layout, { responsive: true, displaylogo: false });
}

if (chosen) {
  const all = JSON.parse(document.getElementById("points").textContent);
  for (const name of new Set(all.map((point) => point.dataset))) {
    chosen.add(new Option(name, name));
  }
  chosen.addEventListener("change", draw);
  draw();
}

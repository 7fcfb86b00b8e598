"""Git blob ids of the read counts of each TCGA tumour type in RNAsum.data.

The list has every `TCGA_<TYPE>_Counts.exp.gz` of one commit except TEST and PANCAN, which repeat
samples of other files, and names with a hyphen, which are supersets.
"""

COMMIT = "15bb33cd7f5d241e09bddb8a8311e9638693c4c2"
COUNTS_BLOBS = {
    "ACC": "dfefb41d23c00d802090c75b5cdb64fc131dbaed",
    "BLCA": "faaea3c00f03fe1f7583ad96168af536c399119d",
    "BRCA": "24531e575675ae83d8709ab46a62383c9eac0209",
    "CESC": "134536b4e53196e42a409e499efb45024df02683",
    "CHOL": "0d2f477df0a7f3981a6f3fd4daacc04a3c8eebb9",
    "COAD": "caef928bb4e53f0f7e6d08c509ab9e877ed517c2",
    "DLBC": "6049e1a51c39e628c48a114ea0e21611c30f8224",
    "ESCA": "bc1eb9ea1556a4807efc60eb81a0c251eefb2518",
    "GBM": "9df994026585b7886a33d9b1cfb71718e6cb999c",
    "HNSC": "2bf86511a94272d5017f4a6a767cc9874172405a",
    "KICH": "accf0cfaffd45bd28fec86bcf0aa6479846cf84d",
    "KIRC": "c257f79a689d46a88032b7c37cb8b89ad0752402",
    "KIRP": "19f116c69c2cd09bfbd076215fe7c95ad1b7e726",
    "LAML": "04f1bfa742c71aa42c9a3565e5ff2e68e25124af",
    "LGG": "a5ce7d205ff1395cb577b43d0cb2988b8cc1b5c5",
    "LIHC": "5586b6cbd7a0064a7dc863b0a86b87277b5e0455",
    "LUAD": "701575bef3a1f38864bd63451f0a1887b24d7574",
    "LUSC": "4ec4c6263d30e944e48601020aaf306f792d4fa8",
    "MESO": "c8cb1f9a561b50d19150619fb3a2fd9982d70fbb",
    "OV": "b1e4a74077e4a3c561731b71855fa963d67cd6ff",
    "PAAD": "a75d2ed40e775347d68a90ebae2dda39be2d6811",
    "PCPG": "fbaffd0a5566dfa95cded1352dce17b397251996",
    "PRAD": "580a70fd91466dff3b23ef2e086d2632cb4f38fc",
    "READ": "5168691dddccb57ca22bc7e87905be9bd219aa96",
    "SARC": "3492f1c4463c20c727bb840996c66845e8fb6cc8",
    "SKCM": "5c8b871ba87828073fbc45cee5a3918c79126f3c",
    "STAD": "38fa859c8fc5a144d17a61916d689cb688c36256",
    "TGCT": "c432cab7e20a44b086b995034bf57b2828fe6db8",
    "THCA": "e2281544bd4a7b3589a4a783f07a8eefe6fc5ec2",
    "THYM": "83d78aea980cf2520ffbae432f4ca916b35bfa13",
    "UCEC": "a9e4ee076e1c66ec01caba0c14495328751bb528",
    "UCS": "b1181bc42ce366408dc546ee0921ab8955a9d152",
    "UVM": "c356c3951aabac7c9da718daf9a13b45ef1bb460",
}

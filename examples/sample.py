# Draws what `kubeproof sample PACKAGE --seed SEED --size SIZE --class CLASS [--stratify namespace]` draws.
# python3 sample.py PACKAGE SEED SIZE CLASS [namespace]
import hashlib, json, sys
package, seed, size, cls, strata = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4], {}
lines = open(f"{package}/manifest-sha256.txt", "rb").readlines()
root = hashlib.sha256(b"".join(line for line in lines if line[66:81] != b"data/documents/")).hexdigest()
for c in json.load(open(f"{package}/data/period.json", encoding="utf-8"))["clusters"]:
    runs = [{"class": "run", "namespace": None, "kind": "Run", "name": run["bundle"][7:]} for run in c["runs"]]
    for i in (item for item in c["population"] + runs if item["class"] == cls):
        said = [seed, root, cls, c["folder"], i["namespace"], i["kind"], i["name"]]
        rank = hashlib.sha256(json.dumps(said, ensure_ascii=False, separators=(",", ":")).encode()).hexdigest()
        strata.setdefault((c["folder"], i["namespace"] or "") if sys.argv[5:] else (), []).append((rank, said[3:]))
strata = [sorted(strata[name]) for name in sorted(strata)]
size = min(size, sum(map(len, strata)))
each = len(strata) <= size  # one of every stratum, where the size allows it
weights, rest = [len(of) - each for of in strata], size - each * len(strata)
drawn = [each + rest * weight // (sum(weights) or 1) for weight in weights]
remainders = sorted(range(len(strata)), key=lambda at: (-(rest * weights[at] % (sum(weights) or 1)), at))
for at in remainders[:size - sum(drawn)]: drawn[at] += 1
for of, count in zip(strata, drawn): [print(rank, json.dumps(said)) for rank, said in of[:count]]

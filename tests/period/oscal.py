"""Reads OSCAL assessment results as compliance-trestle does, and checks what it does not: that every UUID stands once
and every reference leads somewhere."""
import hashlib, json, pathlib, sys
from trestle.common.err import TrestleError
from trestle.oscal import OSCAL_VERSION
from trestle.oscal.assessment_results import AssessmentResults

package = pathlib.Path(sys.argv[1])
period = json.loads((package / "data/period.json").read_text())
folder = package / "data/documents/oscal"
files = sorted(folder.glob("*.json"))
assert [file.stem for file in files] == sorted(framework["id"] for framework in period["frameworks"]), files
for file in files:
    assert AssessmentResults.oscal_read(file) is not None, file
    document = json.loads(file.read_text())["assessment-results"]
    assert document["metadata"]["oscal-version"] == OSCAL_VERSION == "1.2.1"
    defined, named, hrefs = [], [], []

    def walk(value):
        if isinstance(value, list):
            [walk(item) for item in value]
        elif isinstance(value, dict):
            for key, item in value.items():
                defined.append(item) if key == "uuid" else None
                named.append(item) if key.endswith("-uuid") else None
                hrefs.append(item) if key == "href" else None
                walk(item)

    walk(document)
    assert len(defined) == len(set(defined)), "a UUID stands twice"
    assert set(named) <= set(defined), set(named) - set(defined)
    for href in hrefs:
        if href.startswith("#"):
            assert href[1:] in defined, href
        else:
            assert (folder / href).is_file(), href
    for result in document["results"]:
        value = lambda item, name: next((p["value"] for p in item.get("props", []) if p["name"] == name), None)
        cluster = next(c for c in period["clusters"] if c["folder"] == value(result, "cluster"))
        rows = {f"{r['framework']}/{r['id']}": r for r in cluster["requirements"] if r["framework"] == file.stem}
        assert {value(f, "requirement") for f in result["findings"]} == set(rows)
        controls = [c["control-id"] for c in result["reviewed-controls"]["control-selections"][0]["include-controls"]]
        assert len(controls) == len(set(controls)) == len(rows)
        assert {f["target"]["target-id"] for f in result["findings"]} == set(controls)
        for finding in result["findings"]:
            row, status = rows[value(finding, "requirement")], finding["target"]["status"]
            failed = "fail" in row["statuses"]
            passed = set(row["statuses"]) <= {"pass", "not-applicable"} and "pass" in row["statuses"]
            assert value(finding, "target-status") == ("not-satisfied" if failed else "satisfied" if passed else "other")
            assert status["state"] == ("satisfied" if passed else "not-satisfied"), finding
            assert status["reason"] == ("fail" if failed else "pass" if passed else "other"), finding
            assert len(finding.get("related-risks", [])) == len(row["exceptions"]), finding
        ours = [x for x in cluster["exceptions"] if any(r.split("/")[0] == file.stem for r in x["requirements"])]
        risks = {value({"props": o["props"]}, "exception"): o for o in result["observations"] if value(o, "exception")}
        assert set(risks) == {x["id"] for x in ours} and len(result.get("risks", [])) == len(ours)
        signed = set()
        for observation in result["observations"]:
            for evidence in observation.get("relevant-evidence", []):
                digest = value(evidence, "sha256")
                if evidence["href"].endswith("manifest-sha256.txt"):
                    assert hashlib.sha256((folder / evidence["href"]).read_bytes()).hexdigest() == digest, evidence
                elif "/results/" in evidence["href"]:
                    assert hashlib.sha256((folder / evidence["href"]).read_bytes()).hexdigest() == digest, evidence
                    said = json.loads((folder / evidence["href"]).read_text())
                    assert said["framework"] == file.stem, evidence
                    signed.add(evidence["href"])
                else:
                    assert any(c["digest"].endswith(digest) for x in ours for c in x["evidence"]), evidence
        assert signed, "no status leads to what its run said"
    # The reader refuses what is no OSCAL: its silence above means something.
    broken = json.loads(file.read_text())
    broken["assessment-results"]["results"][0]["findings"][0]["target"]["status"]["state"] = "maybe"
    file.write_text(json.dumps(broken))
    try:
        AssessmentResults.oscal_read(file)
        sys.exit("trestle reads a state that OSCAL does not know")
    except TrestleError:
        pass
print(len(files))

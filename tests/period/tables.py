"""Reads the workbook, the CSV and the Parquet of a package and holds them against data/period.json."""
import csv, datetime, json, pathlib, sys, zipfile
import openpyxl, polars

documents = pathlib.Path(sys.argv[1]) / "data/documents"
period = json.loads((documents.parent / "period.json").read_text())
clusters = period["clusters"]
rows_of = lambda key: [row for cluster in clusters for row in cluster[key]]
powers = [power for subject in rows_of("privileged") for power in subject["powers"]]
expected = {
    "Remarks": len(rows_of("remarks")),
    "Requirements": len(rows_of("requirements")),
    "Status by run": sum(len(cluster["requirements"]) * len(cluster["runs"]) for cluster in clusters),
    "Exceptions": len(rows_of("exceptions")),
    "Time to repair": len(rows_of("repairTimes")),
    "Runs": len(rows_of("runs")),
    "Control totals": len(rows_of("controlTotals")),
    "Totals by resource": len(rows_of("resourceTotals")),
    "Population": len(rows_of("population")),
    "Privileged access": len(powers),
    "Scopes": len(rows_of("scopes")),
    "Scope changes": len(rows_of("scopeChanges")),
    "Declarations": len(rows_of("declarations")),
    "Excluded bundles": len(rows_of("excluded")),
}
files = {"Status by run": "statuses", "Time to repair": "repair-times", "Totals by resource": "resource-totals",
         "Excluded bundles": "excluded"}
types = {polars.String: str, polars.Int64: (int, float), polars.Boolean: bool, polars.Date: datetime.datetime}

workbook = openpyxl.load_workbook(documents / "workbook.xlsx")
assert workbook.sheetnames[:2] == ["About", "Columns"] and len(workbook.sheetnames) == 17, workbook.sheetnames
made = datetime.datetime.fromisoformat(period["made"].replace("Z", "+00:00")).replace(tzinfo=None)
assert workbook.properties.created == made == workbook.properties.modified, workbook.properties
about = {row[0]: row[1] for row in workbook["About"].iter_rows(values_only=True) if row[0]}
leads = {cell.value: cell.hyperlink.location for (cell, *_) in workbook["About"].iter_rows() if cell.hyperlink}
assert leads == {title: f"'{title}'!A1" for title in workbook.sheetnames[1:]}, leads
assert about["Bundles used"] == str(len(rows_of("runs"))), about
with zipfile.ZipFile(documents / "workbook.xlsx") as archive:
    assert not any("<f>" in archive.read(name).decode() for name in archive.namelist() if name.endswith(".xml"))

cells = 0
for sheet in workbook.worksheets[1:]:
    title = sheet.title
    stem = files.get(title, title.lower().replace(" ", "-"))
    frame = polars.read_parquet(documents / f"tables/{stem}.parquet")
    plain = list(csv.reader((documents / f"tables/{stem}.csv").open(newline="")))
    table = list(sheet.iter_rows(min_row=2, values_only=True))
    table = [row for row in table if any(cell is not None for cell in row)]
    assert len(table) == frame.height == len(plain) - 1 == about[title], (title, len(table), frame.height, len(plain))
    assert expected.get(title, frame.height) == frame.height, (title, expected[title], frame.height)
    assert sheet.freeze_panes == "A2", title
    assert sheet.auto_filter.ref == f"A1:{sheet.cell(1, frame.width).column_letter}{frame.height + 1}", title
    assert plain[0] == frame.columns and sheet.max_column == frame.width, title
    for at, row in enumerate(frame.iter_rows()):
        for column, value in enumerate(row):
            cell, text, kind = table[at][column], plain[at + 1][column], frame.dtypes[column]
            if value is None:
                assert cell is None and text == "", (title, frame.columns[column], cell, text)
                continue
            cells += 1
            if kind == polars.Datetime:
                assert cell == value.replace(tzinfo=None) and text == value.strftime("%Y-%m-%dT%H:%M:%SZ"), (cell, text)
            elif kind == polars.Date:
                assert cell.date() == value and text == str(value), (cell, text)
            elif kind == polars.Boolean:
                assert cell is value and text == str(value).lower(), (cell, text)
            elif kind == polars.Int64:
                assert type(cell) in (int, float) and cell == value and text == str(value), (cell, text)
            else:
                assert isinstance(cell, str) and cell == value, (title, cell, value)
                assert text == ("'" + value if value[0] in "=+-@\t\r" else value), (text, value)

# Every column of every sheet is explained once, and with the type that its values have.
forms = {"text": polars.String, "whole number": polars.Int64, "day": polars.Date, "true or false": polars.Boolean}
explained = {}
for row in workbook["Columns"].iter_rows(min_row=2, values_only=True):
    assert all(row) and row[2].endswith("."), row
    explained.setdefault(row[0], []).append(row)
for sheet in workbook.worksheets[2:]:
    rows = explained.pop(sheet.title)
    assert [row[1] for row in rows] == [cell.value for cell in sheet[1]], sheet.title
    frame = polars.read_parquet(documents / f"tables/{rows[0][4]}.parquet")
    assert [row[5] for row in rows] == frame.columns, sheet.title
    for row in rows:
        kind = frame.schema[row[5]]
        assert kind == forms[row[3]] if row[3] in forms else isinstance(kind, polars.Datetime), row
assert not explained, explained

# What is wider than its column is shown as ####: numbers, days and moments.
for sheet in workbook.worksheets:
    spans = sheet.column_dimensions.values()
    widths = {at: span.width for span in spans for at in range(span.min, span.max + 1)}
    for cell in (cell for row in sheet.iter_rows() for cell in row if cell.value is not None):
        shown = None
        if isinstance(cell.value, datetime.datetime):
            shown = "2026-10-01 06:00:00" if "hh" in cell.number_format else "2026-10-01"
        elif isinstance(cell.value, (int, float)) and not isinstance(cell.value, bool):
            shown = f"{cell.value:,.0f}"
        width = widths[cell.column]
        assert shown is None or len(shown) + 1 <= width, (sheet.title, cell.coordinate, shown, width)
        words = max(len(word) for word in str(cell.value).split()) if cell.row == 1 and sheet.freeze_panes else 0
        assert words <= width, (sheet.title, cell.coordinate, cell.value, width)

exceptions = polars.read_parquet(documents / "tables/exceptions.parquet")
assert exceptions["managements_response"].null_count() == exceptions.height
assert "Management's response" in [cell.value for cell in workbook["Exceptions"][1]]
for cluster in clusters:
    for x in cluster["exceptions"]:
        row = exceptions.row(by_predicate=(polars.col("id") == x["id"]) & (polars.col("cluster") == cluster["folder"]),
                             named=True)
        at = lambda run: datetime.datetime.fromisoformat(cluster["runs"][run]["finished"].replace("Z", "+00:00"))
        assert (row["first_seen"], row["last_seen"]) == (at(x["firstSeen"]), at(x["lastSeen"])), row
        assert row["began_by"] == at(x["began"]["by"]) and row["name"] == x["resource"]["name"], row
        assert (row["ended_by"] is None) == (x["ending"]["is"] != "ended"), row
        assert all(cited["digest"] in row["evidence"] for cited in x["evidence"]), row
requirements = polars.read_parquet(documents / "tables/requirements.parquet").drop_nulls("runs")
parts = ["without_exception", "with_exception", "not_evaluated", "nothing_to_look_at", "inherited", "attested_alone"]
assert requirements.filter(polars.sum_horizontal(parts) != polars.col("runs")).height == 0, requirements
statuses = polars.read_parquet(documents / "tables/statuses.parquet")
assert statuses.filter(polars.col("status") == "exceptions noted").height == sum(
    status == "fail" for row in rows_of("requirements") for status in row["statuses"])
print(cells)

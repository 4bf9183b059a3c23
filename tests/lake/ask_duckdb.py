"""Answers queries on a lake with DuckDB: a folder or an s3:// URL, then queries; one JSON line of rows for each."""

import json
import os
import sys

import duckdb
import duckdb_extension_httpfs

root, queries = sys.argv[1], sys.argv[2:]
con = duckdb.connect()
con.execute("SET TimeZone = 'UTC'")
if root.startswith("s3://"):
    folder = os.path.dirname(duckdb_extension_httpfs.__file__)
    con.execute(f"LOAD '{folder}/extensions/v{duckdb.__version__}/httpfs.duckdb_extension'")
    scheme, endpoint = os.environ["AWS_ENDPOINT"].split("://")
    con.execute(
        f"""CREATE SECRET (TYPE s3, KEY_ID '{os.environ["AWS_ACCESS_KEY_ID"]}',
        SECRET '{os.environ["AWS_SECRET_ACCESS_KEY"]}', REGION '{os.environ["AWS_REGION"]}',
        ENDPOINT '{endpoint}', URL_STYLE 'path', USE_SSL {scheme == "https"})"""
    )
for table in "drift findings grants images nodes objects requirements runs".split():
    files = f"read_parquet('{root}/{table}/*/*/*.parquet', hive_partitioning = true, union_by_name = true)"
    con.execute(f"CREATE VIEW {table} AS SELECT * FROM {files}")
for query in queries:
    print(json.dumps(con.sql(query).fetchall(), default=str))

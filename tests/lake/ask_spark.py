"""Answers queries on a lake with Spark: a folder, a folder to work in, then queries; one JSON line of rows for each."""

import json
import os
import sys

os.environ["SPARK_LOCAL_IP"] = "127.0.0.1"

from pyspark.sql import SparkSession

root, work, queries = sys.argv[1], sys.argv[2], sys.argv[3:]
settings = {
    "spark.ui.enabled": "false",
    "spark.driver.host": "127.0.0.1",
    "spark.local.dir": work,
    "spark.sql.warehouse.dir": work,
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.shuffle.partitions": "1",
}
builder = SparkSession.builder.master("local[2]")
for key, value in settings.items():
    builder = builder.config(key, value)
spark = builder.getOrCreate()
spark.sparkContext.setLogLevel("ERROR")
for table in "drift findings grants images nodes objects requirements runs".split():
    options = f"path '{root}/{table}', pathGlobFilter '*.parquet', mergeSchema 'true'"
    spark.sql(f"CREATE TEMPORARY VIEW {table} USING parquet OPTIONS ({options})")
for query in queries:
    print(json.dumps([list(row) for row in spark.sql(query).collect()], default=str))
spark.stop()

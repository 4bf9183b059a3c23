//! Stage 6: manifest, statement, envelope, log entry; and `verify`, which trusts nothing before it is proved.

//! Sessions in SQLite.
/// Sessions in a database of SQLite.
#[derive(Debug)]
pub struct SqliteSessions;

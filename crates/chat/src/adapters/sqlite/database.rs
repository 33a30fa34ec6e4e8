//! The database's file, the connections to it, and what their errors mean.

use std::error::Error;
use std::fmt;
use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::pool::PoolOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqliteSynchronous};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Sqlite, Transaction};

use super::schema;
use crate::StoreError;

/// The database's name in its folder.
const FILE: &str = "sessions.db";
/// How long a connection waits for its turn to write.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often a turn is waited for. Turns are not given in order, so one that always writes can starve another.
const TURNS: u32 = 6;
/// How often opening is tried: what only one may do then is not waited for.
const OPENINGS: u32 = 200;
/// The pause between two of them.
const PAUSE: Duration = Duration::from_millis(25);
/// Connections that only read.
const READERS: u32 = 2;
/// What is written to see whether there is room, in bytes: no less than the database's own smallest step.
const PROBE: usize = 64 * 1024;

/// One connection that writes, and a few that read.
#[derive(Debug)]
pub(super) struct Database {
    folder: PathBuf,
    writer: SqlitePool,
    readers: SqlitePool,
}

impl Database {
    /// Whether there is one in this folder.
    pub(super) fn is_in(folder: &Path) -> bool {
        folder.join(FILE).exists()
    }

    /// Opens the database, and makes it where there is none.
    pub(super) async fn open(folder: &Path) -> Result<Self, StoreError> {
        // A relative path could be read as an address, and would change its meaning with the working directory
        let folder = std::path::absolute(folder).map_err(|error| failed("opened", error))?;
        prepare(&folder).map_err(|error| on_disk("opened", &folder, error))?;
        let options = SqliteConnectOptions::new()
            .filename(folder.join(FILE))
            .journal_mode(SqliteJournalMode::Wal)
            // A message that was taken survives a power cut as well
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(PATIENCE)
            // What was deleted is overwritten
            .pragma("secure_delete", "ON")
            .disable_statement_logging();
        let pool = |connections| PoolOptions::<Sqlite>::new().max_connections(connections).idle_timeout(None);
        let writer = pool(1).connect_lazy_with(options.clone());
        let readers = pool(READERS).connect_lazy_with(options.pragma("query_only", "ON"));
        let database = Self { folder, writer, readers };
        let mut tries = 1;
        loop {
            match database.migrate().await {
                Ok(()) => return Ok(database),
                Err(Opening::TooNew(error)) => return Err(error),
                Err(Opening::Failed(error)) if is_busy(&error) && tries < OPENINGS => {
                    tries += 1;
                    tokio::time::sleep(PAUSE).await;
                }
                Err(Opening::Failed(error)) => return Err(database.failed("opened", error)),
            }
        }
    }

    /// Brings the database to the latest version. Whoever comes second finds it done.
    async fn migrate(&self) -> Result<(), Opening> {
        let latest = schema::latest();
        let version = "PRAGMA user_version";
        let mut found: i64 = sqlx::query_scalar(version).fetch_one(&self.writer).await?;
        if found < latest {
            let mut transaction = begin(&self.writer, "BEGIN IMMEDIATE").await?;
            found = sqlx::query_scalar(version).fetch_one(&mut *transaction).await?;
            for step in schema::STEPS.iter().skip(usize::try_from(found).unwrap_or(usize::MAX)) {
                sqlx::raw_sql(*step).execute(&mut *transaction).await?;
            }
            if found < latest {
                let set = AssertSqlSafe(format!("PRAGMA user_version = {latest}"));
                sqlx::raw_sql(set).execute(&mut *transaction).await?;
            }
            transaction.commit().await?;
        }
        if found > latest {
            return Err(Opening::TooNew(StoreError::TooNew { found, known: latest }));
        }
        Ok(())
    }

    /// Where the database lies.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Begins to write. Nothing is kept before it is committed.
    pub(super) async fn begin(&self) -> Result<Transaction<'static, Sqlite>, StoreError> {
        // A transaction that begins by reading could not become one that writes once another has written
        let begun = begin(&self.writer, "BEGIN IMMEDIATE").await;
        begun.map_err(|error| self.failed("written", error))
    }

    /// Keeps what was written.
    pub(super) async fn commit(&self, transaction: Transaction<'static, Sqlite>) -> Result<(), StoreError> {
        transaction.commit().await.map_err(|error| self.failed("written", error))
    }

    /// Begins to read: all that is read sees the database as it is now.
    pub(super) async fn snapshot(&self) -> Result<Transaction<'static, Sqlite>, StoreError> {
        begin(&self.readers, "BEGIN").await.map_err(|error| self.failed("read", error))
    }

    /// The same after all that this process was writing: a write whose caller went away may still be under way.
    pub(super) async fn settled(&self) -> Result<Transaction<'static, Sqlite>, StoreError> {
        // There is one connection that writes, and it does one thing after the other
        begin(&self.writer, "BEGIN").await.map_err(|error| self.failed("read", error))
    }

    /// Connections that only read.
    pub(super) fn readers(&self) -> &SqlitePool {
        &self.readers
    }

    /// Brings what was written into the database's own file, and empties the log beside it, as far as nobody reads there.
    pub(super) async fn tidy(&self) {
        // Nothing depends on it: it is done again at the next occasion
        let _ = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&self.writer).await;
    }

    /// Closes the connections and waits for what they are at.
    pub(super) async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }

    /// What an error means.
    pub(super) fn failed(&self, doing: &'static str, error: sqlx::Error) -> StoreError {
        const FULL: i32 = 13;
        const READ_ONLY: i32 = 8;
        const INPUT_OUTPUT: i32 = 10;
        const CANNOT_OPEN: i32 = 14;
        const CORRUPT: i32 = 11;
        const NO_DATABASE: i32 = 26;
        let (path, code, error) = (self.folder.clone(), primary_code(&error), Cause(error));
        match code {
            Some(CORRUPT | NO_DATABASE) => {
                StoreError::Damaged { path: self.folder.join(FILE), source: Box::new(error) }
            }
            Some(FULL) => StoreError::Full { path, source: Box::new(error) },
            Some(READ_ONLY) => StoreError::ReadOnly { path, source: Box::new(error) },
            // The database only says that something failed: what is it?
            Some(INPUT_OUTPUT | CANNOT_OPEN) => match probe(&self.folder) {
                Err(found) => on_disk(doing, &self.folder, found),
                Ok(()) => failed(doing, error),
            },
            _ => failed(doing, error),
        }
    }
}

/// Begins a transaction, and waits for its turn.
async fn begin(pool: &SqlitePool, how: &'static str) -> Result<Transaction<'static, Sqlite>, sqlx::Error> {
    let mut turn = 1;
    loop {
        match pool.begin_with(how).await {
            Err(error) if is_busy(&error) && turn < TURNS => turn += 1,
            // Where the disk was full, SQLite ended the last transaction by itself. The connection does not know that and
            // would never begin another
            Err(sqlx::Error::InvalidSavePointStatement) if turn < TURNS => {
                turn += 1;
                pool.acquire().await?.close().await?;
            }
            result => return result,
        }
    }
}

/// Why the database could not be opened.
enum Opening {
    TooNew(StoreError),
    Failed(sqlx::Error),
}

impl From<sqlx::Error> for Opening {
    fn from(error: sqlx::Error) -> Self {
        Self::Failed(error)
    }
}

/// An error of the database as a cause. Those of `sqlx` say what caused them in their own words already, and have it as their
/// source as well: whoever shows causes would say it twice.
#[derive(Debug)]
struct Cause(sqlx::Error);

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            // `error returned from database` tells nobody more
            sqlx::Error::Database(error) => write!(f, "{error}"),
            sqlx::Error::Io(error) => write!(f, "{error}"),
            error => write!(f, "{error}"),
        }
    }
}

impl Error for Cause {}

/// An error of no other kind.
pub(super) fn failed(doing: &'static str, source: impl Into<Box<dyn Error + Send + Sync>>) -> StoreError {
    StoreError::Failed { doing, source: source.into() }
}

/// What an error of the file system means.
pub(super) fn on_disk(doing: &'static str, folder: &Path, error: io::Error) -> StoreError {
    let (path, source) = (folder.to_owned(), Box::new(error));
    match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            StoreError::Full { path, source }
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => StoreError::ReadOnly { path, source },
        _ => StoreError::Failed { doing, source },
    }
}

/// The kind of an error of SQLite, without its details.
fn primary_code(error: &sqlx::Error) -> Option<i32> {
    let code: i32 = error.as_database_error()?.code()?.parse().ok()?;
    Some(code & 0xff)
}

fn is_busy(error: &sqlx::Error) -> bool {
    const BUSY: i32 = 5;
    const LOCKED: i32 = 6;
    matches!(primary_code(error), Some(BUSY | LOCKED))
}

/// Makes the folder and an empty file, so that neither is ever readable by others: what SQLite makes beside the file gets
/// the file's own rights.
fn prepare(folder: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
        builder.mode(0o700);
        options.mode(0o600);
    }
    builder.create(folder)?;
    let file = folder.join(FILE);
    options.open(&file)?;
    #[cfg(unix)]
    {
        restrict(folder, 0o700)?;
        restrict(&file, 0o600)?;
    }
    Ok(())
}

/// Takes the rights of others away where there are any.
#[cfg(unix)]
fn restrict(path: &Path, mode: u32) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let found = std::fs::metadata(path)?.permissions();
    if found.mode() & 0o077 == 0 {
        return Ok(());
    }
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
}

/// Writes something into the folder as the database does.
fn probe(folder: &Path) -> io::Result<()> {
    let path = folder.join(format!("{}.probe", std::process::id()));
    let write = || {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).open(&path)?;
        file.write_all(&[0; PROBE])?;
        file.sync_all()
    };
    let result = write();
    let _ = std::fs::remove_file(&path);
    result
}

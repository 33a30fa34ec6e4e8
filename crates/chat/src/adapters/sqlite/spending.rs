//! What was spent, by session and by day.

use mimir_shared_providers::Usage;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, SqliteConnection};

use super::{SqliteSessions, database, signed, unsigned};
use crate::{DaySpending, ModelSpending, StoreError, Totals};

const DAY_MS: u64 = 24 * 60 * 60 * 1_000;
/// No count of tokens goes beyond this (2^53, what JSON can carry everywhere): two of them still add up.
const MOST_TOKENS: u64 = 1 << 53;

/// Adds to the columns of both tables, up to [`MOST_TOKENS`].
macro_rules! add {
    ($table:literal, $key:literal) => {
        concat!(
            "INSERT INTO ",
            $table,
            " (",
            $key,
            ", model, cost, input, output, cache_read, cache_write) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ",
            "ON CONFLICT (",
            $key,
            ", model) DO UPDATE SET cost = cost + ?3, input = min(input + ?4, ?8), output = min(output + ?5, ?8), ",
            "cache_read = min(cache_read + ?6, ?8), cache_write = min(cache_write + ?7, ?8)"
        )
    };
}

impl SqliteSessions {
    pub(super) async fn add_spending(
        &self,
        session: &str,
        model: &str,
        usage: Usage,
        cost: f64,
    ) -> Result<Totals, StoreError> {
        if !cost.is_finite() || cost < 0.0 {
            return Err(database::failed("written", format!("nothing costs {cost}")));
        }
        let tokens = |tokens: u64| signed(tokens.min(MOST_TOKENS));
        let day = self.today();
        let mut transaction = self.write(session).await?;
        let by_session = sqlx::query(add!("spending", "session")).bind(session);
        let by_day = sqlx::query(add!("days", "day")).bind(day);
        for query in [by_session, by_day] {
            let query = query.bind(model).bind(cost).bind(tokens(usage.input_tokens)).bind(tokens(usage.output_tokens));
            let query = query.bind(tokens(usage.cache_read_tokens)).bind(tokens(usage.cache_write_tokens));
            query.bind(signed(MOST_TOKENS)).execute(&mut *transaction).await.map_err(self.writing())?;
        }
        self.touch(&mut transaction, session).await?;
        let totals = self.totals_of(&mut transaction, session, day).await?;
        self.database.commit(transaction).await?;
        Ok(totals)
    }

    pub(super) async fn spent(&self, session: &str) -> Result<Totals, StoreError> {
        let mut reader = self.database.snapshot().await?;
        self.by_id(&mut reader, session).await?;
        self.totals_of(&mut reader, session, self.today()).await
    }

    async fn totals_of(&self, reader: &mut SqliteConnection, session: &str, day: i64) -> Result<Totals, StoreError> {
        let models = self.models_of(reader, session).await?;
        let select = "SELECT total(cost) FROM days WHERE day = ?1";
        let day: f64 = sqlx::query_scalar(select).bind(day).fetch_one(reader).await.map_err(self.reading())?;
        let usage = models.iter().fold(Usage::default(), |sum, model| sum + model.usage);
        Ok(Totals { session: models.iter().map(|model| model.cost).sum(), day, usage })
    }

    pub(super) async fn models_of(
        &self,
        reader: &mut SqliteConnection,
        session: &str,
    ) -> Result<Vec<ModelSpending>, StoreError> {
        let select = "SELECT model, cost, input, output, cache_read, cache_write FROM spending \
                      WHERE session = ?1 ORDER BY model";
        let spending = |row: &SqliteRow| {
            Ok(ModelSpending { model: row.try_get("model")?, cost: row.try_get("cost")?, usage: usage(row)? })
        };
        let rows = sqlx::query(select).bind(session).fetch_all(reader).await;
        rows.and_then(|rows| rows.iter().map(spending).collect()).map_err(self.reading())
    }

    pub(super) async fn spent_by_day(&self) -> Result<Vec<DaySpending>, StoreError> {
        let select = "SELECT day, model, cost, input, output, cache_read, cache_write FROM days \
                      ORDER BY day DESC, model";
        let spending = |row: &SqliteRow| {
            Ok(DaySpending {
                day: unsigned(row.try_get("day")?),
                model: row.try_get("model")?,
                cost: row.try_get("cost")?,
                usage: usage(row)?,
            })
        };
        let rows = sqlx::query(select).fetch_all(self.database.readers()).await;
        rows.and_then(|rows| rows.iter().map(spending).collect()).map_err(self.reading())
    }

    /// The beginning of this day, UTC.
    fn today(&self) -> i64 {
        let now = self.clock.now_ms();
        signed(now - now % DAY_MS)
    }
}

fn usage(row: &SqliteRow) -> Result<Usage, sqlx::Error> {
    Ok(Usage {
        input_tokens: unsigned(row.try_get("input")?),
        output_tokens: unsigned(row.try_get("output")?),
        cache_read_tokens: unsigned(row.try_get("cache_read")?),
        cache_write_tokens: unsigned(row.try_get("cache_write")?),
    })
}

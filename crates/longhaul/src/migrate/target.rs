//! The database that is moved to.

use std::pin::pin;

use rusqlite::types::Value;
use tokio::task::JoinHandle;
use tokio_postgres::{
    Client,
    binary_copy::BinaryCopyInWriter,
    types::{ToSql, Type},
};

use super::{Error, Step, source::Rows, tables::Table};
use crate::store::{
    self,
    postgres::{error::store_error, open, text::kept},
};

/// One connection, in whose transaction everything arrives.
pub(super) struct Target {
    client: Client,
    driver: JoinHandle<Result<(), tokio_postgres::Error>>,
}

impl Drop for Target {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Target {
    /// Connects, with the schema brought up to date.
    pub(super) async fn connect(url: &str) -> Result<Self, store::Error> {
        let address = open::address(url)?;
        open::ensure_schema(&address).await?;
        let connected = address.config.connect(address.tls.clone()).await;
        let (client, connection) = connected.map_err(|error| store_error(&error))?;
        let driver = tokio::spawn(connection);
        Ok(Self { client, driver })
    }

    /// The number of the installation that it is now.
    pub(super) async fn number(&self) -> Result<u64, store::Error> {
        let read = include_str!("../store/postgres/sql/setting_read.sql");
        let number: i64 = self.value(read, &[&"installation"]).await?;
        Ok(number.unsigned_abs())
    }

    /// Sees that nothing in it would be mixed with what comes, and nobody works on it.
    pub(super) async fn see_free(&self) -> Result<(), Error> {
        if self.value(include_str!("sql/filled.sql"), &[]).await? {
            return Err(Error::Filled);
        }
        if self.value(include_str!("sql/busy.sql"), &[]).await? {
            return Err(Error::Busy);
        }
        Ok(())
    }

    /// Begins, alone, on empty tables.
    pub(super) async fn begin(&mut self) -> Result<(), Error> {
        self.batch("BEGIN; SET LOCAL lock_timeout = '10s'").await?;
        self.batch(include_str!("sql/lock.sql")).await?;
        // Once more: files may have taken their time, and now nobody can come.
        self.see_free().await?;
        Ok(self.batch(include_str!("sql/empty.sql")).await?)
    }

    /// Copies a table; answers with how many rows it has.
    pub(super) async fn copy(
        &mut self,
        table: &'static Table,
        mut rows: Rows,
        note: &mut impl FnMut(Step),
    ) -> Result<u64, store::Error> {
        let (name, columns) = (table.name, table.columns);
        let fail = |error: tokio_postgres::Error| store_error(&error);
        let shape = format!("SELECT {columns} FROM longhaul.{name}");
        let shape = self.client.prepare(&shape).await.map_err(fail)?;
        let types: Vec<Type> = shape
            .columns()
            .iter()
            .map(|column| column.type_().clone())
            .collect();
        let sink = format!("COPY longhaul.{name} ({columns}) FROM STDIN BINARY");
        let sink = self.client.copy_in(&sink).await.map_err(fail)?;
        let mut writer = pin!(BinaryCopyInWriter::new(sink, &types));
        let mut count = 0;
        while let Some(batch) = rows.recv().await {
            for row in batch? {
                let cells = row
                    .into_iter()
                    .zip(&types)
                    .map(|(value, of)| cell(value, of));
                let cells: Vec<Cell> = cells.collect::<Result<_, _>>()?;
                let written = writer.as_mut().write_raw(cells.iter().map(|cell| {
                    let cell: &(dyn ToSql + Sync) = cell.as_ref();
                    cell
                }));
                written.await.map_err(fail)?;
                count += 1;
            }
            note(Step::Rows(name, count));
        }
        writer.finish().await.map_err(fail)
    }

    /// Ends: it is that installation from now on, and its next job has a higher number than `last`.
    pub(super) async fn commit(
        &mut self,
        last: i64,
        installation: u64,
    ) -> Result<(), store::Error> {
        let number = i64::try_from(installation).unwrap_or(i64::MAX);
        let fail = |error: tokio_postgres::Error| store_error(&error);
        let sequences = include_str!("sql/sequences.sql");
        self.client.query(sequences, &[&last]).await.map_err(fail)?;
        let write = include_str!("../store/postgres/sql/setting_write.sql");
        self.client
            .execute(write, &[&"installation", &number])
            .await
            .map_err(fail)?;
        self.batch("COMMIT; ANALYZE").await
    }

    async fn value<T: for<'a> tokio_postgres::types::FromSql<'a>>(
        &self,
        sql: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<T, store::Error> {
        let row = self.client.query_one(sql, parameters).await;
        row.and_then(|row| row.try_get(0))
            .map_err(|error| store_error(&error))
    }

    async fn batch(&self, sql: &str) -> Result<(), store::Error> {
        let done = self.client.batch_execute(sql).await;
        done.map_err(|error| store_error(&error))
    }
}

type Cell = Box<dyn ToSql + Sync + Send>;

/// A value of the file as one of the database's type.
fn cell(value: Value, of: &Type) -> Result<Cell, store::Error> {
    let wrong = |value: &Value| {
        store::Error::Corrupt(format!(
            "a value of the file is no {of}: {:?}",
            value.data_type()
        ))
    };
    Ok(match (value, of) {
        (Value::Null, &Type::INT2) => Box::new(None::<i16>),
        (Value::Null, &Type::INT4) => Box::new(None::<i32>),
        (Value::Null, &Type::INT8) => Box::new(None::<i64>),
        (Value::Null, &Type::TEXT) => Box::new(None::<String>),
        (Value::Integer(number), &Type::INT8) => Box::new(number),
        (Value::Integer(number), &Type::INT4) => {
            Box::new(i32::try_from(number).map_err(|_| wrong(&Value::Integer(number)))?)
        }
        (Value::Integer(number), &Type::INT2) => {
            Box::new(i16::try_from(number).map_err(|_| wrong(&Value::Integer(number)))?)
        }
        (Value::Integer(number), &Type::BOOL) => Box::new(number != 0),
        (Value::Text(text), &Type::TEXT) => Box::new(kept(&text).into_owned()),
        (Value::Blob(bytes), &Type::BYTEA) => Box::new(bytes),
        (value, _) => return Err(wrong(&value)),
    })
}

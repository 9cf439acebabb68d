//! Tokens: few rows, read whole.

use longhaul_types::Timestamp;
use rusqlite::{Connection, Row};

use super::{error::Fault, read, row, statements::Sql, tx::Tx};
use crate::{
    model::Token,
    store::{
        Error,
        numbers::{names, scopes, sum},
    },
};

/// Keeps a new token.
pub(super) fn add(tx: &mut Tx<'_>, token: &Token) -> Result<(), Fault> {
    let added = tx.sql.get(Sql::TokenAdd)?.execute((
        &token.id,
        &token.name,
        &token.owner,
        token.hash,
        sum(&token.scopes),
        names(&token.kinds),
        names(&token.queues),
        token.created_at.0,
        token.expires_at.map(|time| time.0),
        token.used_at.map(|time| time.0),
    ))?;
    if added == 0 {
        return Err(Fault::Refused(Error::TokenTaken));
    }
    Ok(())
}

/// Every token, in the order in which they were added.
pub(super) fn all(db: &Connection) -> rusqlite::Result<Vec<Token>> {
    read::all(db, Sql::Tokens, [], token)
}

/// Forgets a token.
pub(super) fn revoke(tx: &mut Tx<'_>, id: &str) -> Result<bool, Fault> {
    Ok(tx.sql.get(Sql::TokenRevoke)?.execute([id])? > 0)
}

/// Notes when tokens were last used.
pub(super) fn note_use(tx: &mut Tx<'_>, uses: &[(String, Timestamp)]) -> Result<(), Fault> {
    let statement = tx.sql.get(Sql::TokenUse)?;
    for (id, time) in uses {
        statement.execute((id, time.0))?;
    }
    Ok(())
}

fn token(row: &Row<'_>) -> rusqlite::Result<Token> {
    Ok(Token {
        id: row.get(0)?,
        name: row.get(1)?,
        owner: row.get(2)?,
        hash: row.get(3)?,
        scopes: scopes(row.get(4)?),
        kinds: row::parsed(row, 5)?,
        queues: row::parsed(row, 6)?,
        created_at: row::time(row, 7)?,
        expires_at: row::maybe_time(row, 8)?,
        used_at: row::maybe_time(row, 9)?,
    })
}

//! Tokens: few rows, read whole.

use longhaul_types::Timestamp;
use tokio_postgres::Row;

use super::{error::Fault, row, text::kept, tx::Tx};
use crate::{
    model::Token,
    store::{
        Error,
        numbers::{names, scopes, sum},
    },
};

/// Keeps a new token.
pub(super) async fn add(tx: &mut Tx<'_>, token: &Token) -> Result<(), Fault> {
    let added = tx
        .execute(
            sql!("token_add"),
            &[
                &kept(&token.id),
                &kept(&token.name),
                &kept(&token.owner),
                &&token.hash[..],
                &sum(&token.scopes),
                &names(&token.kinds),
                &names(&token.queues),
                &token.created_at.0,
                &token.expires_at.map(|time| time.0),
                &token.used_at.map(|time| time.0),
            ],
        )
        .await?;
    if added == 0 {
        return Err(Error::TokenTaken.into());
    }
    Ok(())
}

/// Notes when tokens were last used.
pub(super) async fn note_use(tx: &mut Tx<'_>, uses: &[(String, Timestamp)]) -> Result<(), Fault> {
    for (id, time) in uses {
        let parameters = (vec![kept(id)], vec![time.0]);
        tx.execute(sql!("token_use"), &[&parameters.0, &parameters.1])
            .await?;
    }
    Ok(())
}

/// A row of `tokens.sql`.
pub(super) fn token(row: &Row) -> Result<Token, Error> {
    let hash: Vec<u8> = row.get(3);
    let odd = |_| Error::Corrupt("the hash of a token is not of 32 bytes".to_owned());
    Ok(Token {
        id: row::text(row, 0),
        name: row::text(row, 1),
        owner: row::text(row, 2),
        hash: hash.try_into().map_err(odd)?,
        scopes: scopes(row.get(4)),
        kinds: row::parsed(row.get(5))?,
        queues: row::parsed(row.get(6))?,
        created_at: row::time(row, 7),
        expires_at: row::maybe_time(row, 8),
        used_at: row::maybe_time(row, 9),
    })
}

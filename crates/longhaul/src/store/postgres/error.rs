//! What the database answers with, in the words of the store.

use tokio_postgres::{Error as Postgres, error::SqlState};

use crate::store::Error;

/// Why a command could not be done.
#[derive(Debug)]
pub(super) enum Fault {
    /// It asks for what is not allowed: it alone is undone.
    Refused(Error),
    /// The database failed.
    Postgres(Postgres),
    /// Another transaction came between: to be done once more.
    Again,
}

impl From<Postgres> for Fault {
    fn from(error: Postgres) -> Self {
        match error.code() {
            Some(code)
                if [
                    SqlState::T_R_DEADLOCK_DETECTED,
                    SqlState::T_R_SERIALIZATION_FAILURE,
                ]
                .contains(code) =>
            {
                Self::Again
            }
            _ => Self::Postgres(error),
        }
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Refused(error)
    }
}

/// The store's error for one of the database.
pub(crate) fn store_error(error: &Postgres) -> Error {
    let said = match error.as_db_error() {
        Some(said) => said.message().to_owned(),
        None => causes(error),
    };
    if said.contains("invalid peer certificate") {
        return Error::Unavailable(format!(
            "the certificate of PostgreSQL is not trusted ({said}); give sslrootcert=FILE with the authority that issued it"
        ));
    }
    if said.contains("does not support TLS") {
        return Error::Unavailable(format!(
            "{said}; switch ssl on in its settings, or ask for sslmode=disable on a network that you trust"
        ));
    }
    let Some(code) = error.code() else {
        return Error::Unavailable(format!(
            "PostgreSQL can not be reached ({said}); check that it runs and that its address is right"
        ));
    };
    match code.code() {
        "53100" => Error::Full(said),
        "53300" => Error::Unavailable(format!(
            "PostgreSQL takes no more connections ({said}); raise max_connections, or give this program fewer"
        )),
        "28000" | "28P01" => Error::Unavailable(format!(
            "PostgreSQL does not let this user in ({said}); check user and password"
        )),
        "3D000" => Error::Unavailable(format!("{said}; create it, or name another database")),
        "42501" => Error::Unavailable(format!(
            "this user may not do what is needed ({said}); grant it CREATE on the database, or run as the owner of the schema \
             longhaul"
        )),
        "25006" => Error::Unavailable(format!(
            "{said}: this is a standby, or was made read-only; name the primary"
        )),
        code if code.starts_with("08") || code.starts_with("57P") => {
            Error::Unavailable(format!("PostgreSQL went away ({said}); it is asked again"))
        }
        code if code.starts_with("53") => Error::Unavailable(said),
        code => Error::Internal(format!("{said} (SQLSTATE {code})")),
    }
}

fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

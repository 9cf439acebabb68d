//! Tokens: kept as they were made, until they are revoked.

use std::collections::BTreeSet;

use longhaul_types::Scope;

use super::lab::at;
use crate::{
    model::Token,
    store::{Error, Store},
};

fn token(id: &str, hash: u8) -> Token {
    Token {
        id: id.to_owned(),
        name: format!("name of {id}"),
        owner: "anna".to_owned(),
        hash: [hash; 32],
        scopes: BTreeSet::from([Scope::Read]),
        kinds: Vec::new(),
        queues: Vec::new(),
        created_at: at(0),
        expires_at: None,
        used_at: None,
    }
}

async fn ids(store: &dyn Store) -> Vec<String> {
    let tokens = store.tokens().await.expect("tokens");
    tokens.into_iter().map(|token| token.id).collect()
}

/// Every part comes back: each set of scopes, names of any text, times and their absence.
pub async fn a_token_is_kept_as_it_was_made(store: &dyn Store) {
    assert_eq!(store.tokens().await.expect("tokens"), []);
    let mut made = vec![Token {
        name: "ci 'x' \u{1f680}".to_owned(),
        owner: String::new(),
        kinds: vec!["walrus.*".to_owned(), "\"odd\\\u{1}".to_owned()],
        queues: vec!["a b".to_owned()],
        expires_at: Some(at(60)),
        used_at: Some(at(1)),
        ..token("whole", 0)
    }];
    for number in 1..16_u8 {
        let scopes = Scope::ALL.into_iter().enumerate();
        let scopes = scopes.filter(|(place, _)| number & (1 << place) != 0);
        made.push(Token {
            scopes: scopes.map(|(_, scope)| scope).collect(),
            ..token(&format!("scopes-{number}"), number)
        });
    }
    for token in &made {
        store.add_token(token.clone()).await.expect("added");
    }
    assert_eq!(store.tokens().await.expect("tokens"), made);
}

/// Whatever their ids, names and times.
pub async fn tokens_stand_in_the_order_of_their_making(store: &dyn Store) {
    for (id, hash) in [("b", 9), ("a", 3), ("c", 5)] {
        store.add_token(token(id, hash)).await.expect("added");
    }
    assert_eq!(ids(store).await, ["b", "a", "c"]);
}

/// A second one is refused, and the first is left as it is.
pub async fn an_id_or_a_secret_is_one_tokens_alone(store: &dyn Store) {
    store.add_token(token("a", 1)).await.expect("added");
    for twin in [token("a", 2), token("b", 1)] {
        let refused = store.add_token(twin).await;
        assert!(matches!(refused, Err(Error::TokenTaken)), "{refused:?}");
    }
    assert_eq!(store.tokens().await.expect("tokens"), [token("a", 1)]);
}

/// It alone; a second time there is nothing to revoke; its id is free again.
pub async fn a_revoked_token_is_gone(store: &dyn Store) {
    for (id, hash) in [("a", 1), ("b", 2)] {
        store.add_token(token(id, hash)).await.expect("added");
    }
    assert!(store.revoke_token("a").await.expect("revoked"));
    assert!(!store.revoke_token("a").await.expect("nothing"));
    assert!(!store.revoke_token("never").await.expect("nothing"));
    assert_eq!(ids(store).await, ["b"]);
    store.add_token(token("a", 1)).await.expect("added again");
    assert_eq!(ids(store).await, ["b", "a"]);
}

/// Uses come late and in any order; those of revoked tokens bring nothing back.
pub async fn the_last_use_is_the_latest(store: &dyn Store) {
    for (id, hash) in [("a", 1), ("b", 2)] {
        store.add_token(token(id, hash)).await.expect("added");
    }
    let note = async |uses: &[(&str, u64)]| {
        let uses = uses.iter().map(|(id, time)| ((*id).to_owned(), at(*time)));
        store.note_token_use(uses.collect()).await.expect("noted");
    };
    note(&[("a", 5), ("gone", 6)]).await;
    note(&[("a", 4)]).await;
    note(&[]).await;
    let tokens = store.tokens().await.expect("tokens");
    let used: Vec<_> = tokens.iter().map(|token| token.used_at).collect();
    assert_eq!(used, [Some(at(5)), None]);
    note(&[("b", 7), ("a", 8)]).await;
    let tokens = store.tokens().await.expect("tokens");
    assert_eq!(tokens[0].used_at, Some(at(8)));
    assert_eq!(tokens[1].used_at, Some(at(7)));
}

//! Tokens of the server: made, listed, revoked. Needs an administrator's rights.

use longhaul_types::token::{TokenMade, TokenPage, TokenRequest, TokenView};
use percent_encoding::utf8_percent_encode;
use reqwest::Method;

use crate::{Client, Error, download::SEGMENT};

impl Client {
    /// Makes a token. Its secret is in this answer and nowhere else.
    pub async fn make_token(&self, request: &TokenRequest) -> Result<TokenMade, Error> {
        let post = self.request(Method::POST, "/api/v1/tokens");
        self.ask(post.json(request)).await
    }

    /// Every token, oldest first.
    pub async fn tokens(&self) -> Result<Vec<TokenView>, Error> {
        let page: TokenPage = self.ask(self.get("/api/v1/tokens")).await?;
        Ok(page.tokens)
    }

    /// Revokes the token with this id: it lets nobody in from then on.
    pub async fn revoke_token(&self, id: &str) -> Result<TokenView, Error> {
        let path = format!("/api/v1/tokens/{}", utf8_percent_encode(id, SEGMENT));
        self.ask(self.request(Method::DELETE, &path)).await
    }
}

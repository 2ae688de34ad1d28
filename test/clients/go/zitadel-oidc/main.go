// zitadel/oidc as its example of a relying party shows it, with PKCE: its own handlers make the request and take the answer.
package main

import (
	"context"
	"net/http"
	"net/http/httptest"

	"github.com/zitadel/oidc/v3/pkg/client/rp"
	httphelper "github.com/zitadel/oidc/v3/pkg/http"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	. "munjigi.test/clients/user"
)

func main() {
	own := Read()
	key := []byte("a key of 32 bytes for this test.")
	cookies := httphelper.NewCookieHandler(key, key, httphelper.WithUnsecure())
	provider := Must(rp.NewRelyingPartyOIDC(context.Background(), own.Issuer, own.ClientId, own.ClientSecret, own.RedirectUri,
		[]string{"openid", "profile", "email"}, rp.WithCookieHandler(cookies), rp.WithPKCE(cookies)))

	login := httptest.NewRecorder()
	rp.AuthURLHandler(func() string { return "a-state" }, provider)(login, httptest.NewRequest("GET", "/login", nil))
	answer := Visit(login.Header().Get("Location"))

	callback := httptest.NewRequest("GET", own.RedirectUri+"?"+answer.Encode(), nil)
	for _, cookie := range login.Result().Cookies() {
		callback.AddCookie(cookie)
	}
	seen := map[string]any{}
	take := func(w http.ResponseWriter, r *http.Request, tokens *oidc.Tokens[*oidc.IDTokenClaims], state string, rp rp.RelyingParty, info *oidc.UserInfo) {
		seen["sub"], seen["email"], seen["claim"] = info.Subject, info.Email, tokens.IDTokenClaims.Email
	}
	recorder := httptest.NewRecorder()
	rp.CodeExchangeHandler(rp.UserinfoCallback(take), provider)(recorder, callback)
	if len(seen) == 0 {
		panic(recorder.Body.String())
	}
	Tell(seen)
}

// goth, with its provider for OpenID Connect, as its example uses it: begin, callback, the user.
package main

import (
	"github.com/markbates/goth/providers/openidConnect"
	. "munjigi.test/clients/user"
)

func main() {
	own := Read()
	provider := Must(openidConnect.New(own.ClientId, own.ClientSecret, own.RedirectUri, own.Issuer+"/.well-known/openid-configuration", "profile", "email"))
	session := Must(provider.BeginAuth("a state"))
	answer := Visit(Must(session.GetAuthURL()))
	Must(session.Authorize(provider, answer))
	user := Must(provider.FetchUser(session))
	renewed := Must(provider.RefreshToken(user.RefreshToken))
	Tell(map[string]any{"sub": user.UserID, "email": user.Email, "name": user.Name, "renewed": renewed.AccessToken != user.AccessToken})
}

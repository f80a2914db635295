package templates

// Ready is /servers/{id}/ready: the server works, and how to log in.
type Ready struct {
	Server        Server
	HomeserverURL string // "https://matrix.example.org"
	AdminID       string // "@anna:example.org"
	// SetPasswordURL is a single-use link for the first administrator, to pass on; "" where none was asked for.
	SetPasswordURL string
	Manage         bool // may make that link
	Trial          bool // says that the clients must trust the trial CA first
}

// SetPassword is /set-password?token=...: the password of a Matrix account.
// Fields: token, password; posted to /set-password.
type SetPassword struct {
	State         LinkState // LinkOpen shows the form, LinkDone the login help, LinkPending that too with a word of patience
	Token         string
	MatrixID      string
	ServerName    string
	HomeserverURL string
	Engine        string
	Form          Form
}

// client is a Matrix client and how to log in with it.
type client struct {
	Name, Where, URL string
	Steps            []string
}

// clients are those that work with every engine we run: they log in with a
// password and do without sliding sync.
func clients(l Locale, server, id string) []client {
	return []client{
		{"Element Web", l.T("client.where.element"), "https://app.element.io/#/login", []string{
			l.T("client.element.1"), l.T("client.element.2", "Server", server), l.T("client.login", "ID", id),
		}},
		{"FluffyChat", l.T("client.where.fluffychat"), "https://fluffychat.im/", []string{
			l.T("client.fluffychat.1"), l.T("client.fluffychat.2", "Server", server), l.T("client.login", "ID", id),
		}},
		{"Cinny", l.T("client.where.cinny"), "https://app.cinny.in/login/", []string{
			l.T("client.cinny.1"), l.T("client.cinny.2", "Server", server), l.T("client.login", "ID", id),
		}},
		{"SchildiChat", l.T("client.where.schildichat"), "https://schildi.chat/", []string{
			l.T("client.schildichat.1"), l.T("client.element.2", "Server", server), l.T("client.login", "ID", id),
		}},
	}
}

package templates

// Ready is /servers/{id}/ready: the server works, and how to log in.
type Ready struct {
	Server        Server
	HomeserverURL string // "https://matrix.example.org"
	AdminID       string // "@anna:example.org"
	// SetPasswordURL is the single-use link for the first administrator; "" once used.
	// POST /servers/{id}/admin-link makes a new one.
	SetPasswordURL string
	Trial          bool // says that the clients must trust the trial CA first
}

// SetPassword is /set-password?token=...: the password of a Matrix account.
// Fields: token, password; posted to /set-password.
type SetPassword struct {
	State         LinkState // LinkOpen shows the form, LinkDone the login help
	Token         string
	MatrixID      string
	ServerName    string
	HomeserverURL string
	Engine        string
	Form          Form
}

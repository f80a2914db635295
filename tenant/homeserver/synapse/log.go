package synapse

// The configuration of Python's logging, as a dictionary (logging.config.dictConfig).
type (
	logConfiguration struct {
		Version         int                   `yaml:"version"`
		DisableExisting bool                  `yaml:"disable_existing_loggers"`
		Formatters      map[string]logFormat  `yaml:"formatters"`
		Handlers        map[string]logHandler `yaml:"handlers"`
		Loggers         map[string]logLevel   `yaml:"loggers"`
		Root            logLevel              `yaml:"root"`
	}

	logFormat struct {
		Format string `yaml:"format"`
	}

	logHandler struct {
		Class     string `yaml:"class"`
		Formatter string `yaml:"formatter"`
		Stream    string `yaml:"stream"`
	}

	logLevel struct {
		Level    string   `yaml:"level"`
		Handlers []string `yaml:"handlers,omitempty"`
	}
)

// logging is of warnings alone: Info is a line for every request, with who asked from where, which is nobody's business and
// in an hour more than a container's log holds.
func logging() logConfiguration {
	return logConfiguration{
		Version: 1,
		Formatters: map[string]logFormat{
			"line": {Format: "%(asctime)s %(levelname)s %(name)s %(request)s %(message)s"},
		},
		Handlers: map[string]logHandler{
			"out": {Class: "logging.StreamHandler", Formatter: "line", Stream: "ext://sys.stdout"},
		},
		Loggers: map[string]logLevel{
			// A line for each token that is none: of every app that was signed out, and for whoever wants to fill the log.
			"synapse.api.auth.internal": {Level: "ERROR"},
		},
		Root: logLevel{Level: "WARNING", Handlers: []string{"out"}},
	}
}

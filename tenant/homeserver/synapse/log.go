package synapse

// The configuration of Python's logging, as a dictionary (logging.config.dictConfig).
type (
	logConfiguration struct {
		Version         int                   `yaml:"version"`
		DisableExisting bool                  `yaml:"disable_existing_loggers"`
		Formatters      map[string]logFormat  `yaml:"formatters"`
		Handlers        map[string]logHandler `yaml:"handlers"`
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
		Handlers []string `yaml:"handlers"`
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
		Root: logLevel{Level: "WARNING", Handlers: []string{"out"}},
	}
}

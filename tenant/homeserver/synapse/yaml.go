package synapse

import "hafen/tenant"

// The configuration of Synapse 1.163.2 (its package synapse/config), as far as we set it: a default we rely on is written
// out all the same, so that a new version cannot change it behind our back. No secret is in it: those have files of their
// own, so that nothing that prints a configuration prints one.
type configuration struct {
	ServerName    tenant.Domain `yaml:"server_name"`
	PublicBaseURL string        `yaml:"public_baseurl"`
	Listeners     []listener    `yaml:"listeners"`
	ReportStats   bool          `yaml:"report_stats"`
	EnableMetrics bool          `yaml:"enable_metrics"`
	LogConfig     string        `yaml:"log_config"`

	Database database `yaml:"database"`
	Caches   caches   `yaml:"caches"`
	Events   string   `yaml:"event_cache_size"`

	SigningKeyPath string   `yaml:"signing_key_path"`
	FormSecretPath string   `yaml:"form_secret_path"`
	MacaroonPath   string   `yaml:"macaroon_secret_key_path"`
	KeyServers     []string `yaml:"trusted_key_servers"`

	registrationSettings `yaml:",inline"`
	mediaSettings        `yaml:",inline"`
	federationSettings   `yaml:",inline"`
	roomSettings         `yaml:",inline"`
	privacySettings      `yaml:",inline"`
	rateLimits           `yaml:",inline"`

	BackgroundUpdates backgroundUpdates `yaml:"background_updates"`
}

type backgroundUpdates struct {
	Sleep bool `yaml:"sleep_enabled"`
	Pause int  `yaml:"sleep_duration_ms"`
}

type listener struct {
	Type       string     `yaml:"type"`
	Path       string     `yaml:"path"`
	Mode       int        `yaml:"mode"`
	XForwarded bool       `yaml:"x_forwarded"`
	Resources  []resource `yaml:"resources"`
}

type resource struct {
	Names    []string `yaml:"names"`
	Compress bool     `yaml:"compress"`
}

type database struct {
	Name             string       `yaml:"name"`
	TransactionLimit int          `yaml:"txn_limit"`
	Arguments        databaseArgs `yaml:"args"`
}

type databaseArgs struct {
	Host     string `yaml:"host"`
	User     string `yaml:"user"`
	Database string `yaml:"dbname"`
	PassFile string `yaml:"passfile"`
	SSLMode  string `yaml:"sslmode"`
	Least    int    `yaml:"cp_min"`
	Most     int    `yaml:"cp_max"`
}

type caches struct {
	GlobalFactor float64    `yaml:"global_factor"`
	Expire       bool       `yaml:"expire_caches"`
	EntryTTL     string     `yaml:"cache_entry_ttl"`
	Autotuning   autotuning `yaml:"cache_autotuning"`
}

type autotuning struct {
	Most   int64  `yaml:"max_cache_memory_usage"`
	Target int64  `yaml:"target_cache_memory_usage"`
	MinTTL string `yaml:"min_cache_ttl"`
}

type registrationSettings struct {
	Registration     bool     `yaml:"enable_registration"`
	Guests           bool     `yaml:"allow_guest_access"`
	SharedSecretPath string   `yaml:"registration_shared_secret_path"`
	BcryptRounds     int      `yaml:"bcrypt_rounds"`
	AutoJoin         []string `yaml:"auto_join_rooms"`
	Lookup3PID       bool     `yaml:"enable_3pid_lookup"`
	Change3PID       bool     `yaml:"enable_3pid_changes"`
}

type mediaSettings struct {
	MediaStore        string         `yaml:"media_store_path"`
	MaxUpload         int64          `yaml:"max_upload_size"`
	MaxPixels         int64          `yaml:"max_image_pixels"`
	MaxAvatar         int64          `yaml:"max_avatar_size"`
	DynamicThumbnails bool           `yaml:"dynamic_thumbnails"`
	Thumbnails        []thumbnail    `yaml:"thumbnail_sizes"`
	AuthenticatedOnly bool           `yaml:"enable_authenticated_media"`
	MediaRetention    mediaRetention `yaml:"media_retention"`
	Previews          bool           `yaml:"url_preview_enabled"`
	PreviewDenied     []string       `yaml:"url_preview_ip_range_blacklist,omitempty"`
	PreviewLanguages  []string       `yaml:"url_preview_accept_language,omitempty"`
	MaxSpider         int64          `yaml:"max_spider_size"`
}

type thumbnail struct {
	Width  int    `yaml:"width"`
	Height int    `yaml:"height"`
	Method string `yaml:"method"`
}

type mediaRetention struct {
	Remote string `yaml:"remote_media_lifetime"`
	Local  string `yaml:"local_media_lifetime,omitempty"`
}

type federationSettings struct {
	// Partners is nil for everybody: an empty list is for nobody.
	Partners        *[]tenant.Domain `yaml:"federation_domain_whitelist,omitempty"`
	Denied          []string         `yaml:"ip_range_blacklist"`
	Allowed         []string         `yaml:"ip_range_whitelist,omitempty"`
	MinimumTLS      string           `yaml:"federation_client_minimum_tls_version"`
	VerifyTLS       bool             `yaml:"federation_verify_certificates"`
	DeviceNames     bool             `yaml:"allow_device_name_lookup_over_federation"`
	PublicRooms     bool             `yaml:"allow_public_rooms_over_federation"`
	PublicRoomsOpen bool             `yaml:"allow_public_rooms_without_auth"`
	RemoteRooms     remoteRooms      `yaml:"limit_remote_rooms"`
}

type remoteRooms struct {
	Enabled    bool    `yaml:"enabled"`
	Complexity float64 `yaml:"complexity"`
}

type roomSettings struct {
	Encryption     string        `yaml:"encryption_enabled_by_default_for_room_type"`
	DirectoryOpen  bool          `yaml:"enable_room_list_search"`
	Publication    []rule        `yaml:"room_list_publication_rules"`
	ForgetOnLeave  bool          `yaml:"forget_rooms_on_leave"`
	ForgottenAfter string        `yaml:"forgotten_room_retention_period"`
	Retention      retention     `yaml:"retention"`
	Notices        serverNotices `yaml:"server_notices"`
	MaxEventDelay  string        `yaml:"max_event_delay_duration"`
}

type rule struct {
	Action string `yaml:"action"`
}

type retention struct {
	Enabled       bool           `yaml:"enabled"`
	DefaultPolicy *policy        `yaml:"default_policy,omitempty"`
	AllowedMin    string         `yaml:"allowed_lifetime_min,omitempty"`
	AllowedMax    string         `yaml:"allowed_lifetime_max,omitempty"`
	PurgeJobs     []retentionJob `yaml:"purge_jobs,omitempty"`
}

type policy struct {
	Max string `yaml:"max_lifetime"`
}

type retentionJob struct {
	Interval string `yaml:"interval"`
}

type serverNotices struct {
	Localpart   tenant.Localpart `yaml:"system_mxid_localpart"`
	DisplayName string           `yaml:"system_mxid_display_name"`
	RoomName    string           `yaml:"room_name"`
	AutoJoin    bool             `yaml:"auto_join"`
}

type privacySettings struct {
	Presence         presence      `yaml:"presence"`
	ProfilesNeedAuth bool          `yaml:"require_auth_for_profile_requests"`
	AddressesKept    string        `yaml:"user_ips_max_age"`
	Directory        userDirectory `yaml:"user_directory"`
	Push             push          `yaml:"push"`
}

type presence struct {
	Enabled bool `yaml:"enabled"`
}

type userDirectory struct {
	Enabled     bool `yaml:"enabled"`
	SearchAll   bool `yaml:"search_all_users"`
	PreferLocal bool `yaml:"prefer_local_users"`
}

type push struct {
	Enabled        bool `yaml:"enabled"`
	IncludeContent bool `yaml:"include_content"`
}

type rateLimits struct {
	Message      rate            `yaml:"rc_message"`
	Login        map[string]rate `yaml:"rc_login"`
	Joins        map[string]rate `yaml:"rc_joins"`
	JoinsPerRoom rate            `yaml:"rc_joins_per_room"`
	Invites      map[string]rate `yaml:"rc_invites"`
	RoomCreation rate            `yaml:"rc_room_creation"`
}

type rate struct {
	PerSecond float64 `yaml:"per_second"`
	Burst     int     `yaml:"burst_count"`
}

package keys

import (
	"bytes"
	"os"
	"sync"

	"github.com/envseal/envseal/cmd/internal/exit"
	"github.com/envseal/envseal/cmd/internal/flags"
	"github.com/envseal/envseal/cmd/internal/ui"
	"github.com/envseal/envseal/kmsclient/awskms"
	"github.com/envseal/envseal/kmsclient/keystore"
)

// Services are the key services that a command may ask. Each is made when it is first needed, so
// that a command that needs none pays for none. It is safe for concurrent use.
type Services struct {
	awsOptions   flags.AWS
	storeOptions flags.Store

	mu       sync.Mutex
	aws      *awskms.Client
	store    *keystore.Store
	storeErr error // why the keystore did not open, which is tried once
}

// NewServices makes services that ask nothing yet. The caller closes them.
func NewServices(aws flags.AWS, store flags.Store) *Services {
	return &Services{awsOptions: aws, storeOptions: store}
}

// Close wipes what the services hold.
func (s *Services) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.store != nil {
		s.store.Close()
	}
}

// AWS is the client of AWS KMS.
func (s *Services) AWS() *awskms.Client {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.aws == nil {
		s.aws = awskms.New(awsConfig(s.awsOptions))
	}
	return s.aws
}

func awsConfig(o flags.AWS) awskms.Config {
	cfg := awskms.Config{
		Profile:        o.Profile,
		Region:         o.Region,
		EndpointURL:    o.EndpointURL,
		CABundle:       o.CABundle,
		RoleARN:        o.RoleARN,
		NoVerifySSL:    o.NoVerifySSL,
		NoSignRequest:  o.NoSignRequest,
		UseFIPS:        o.UseFIPS,
		ConnectTimeout: o.ConnectTimeout,
		ReadTimeout:    o.ReadTimeout,
		MaxAttempts:    o.MaxAttempts,
		Warn:           func(line string) { ui.Warn("%s", line) },
	}
	if ui.IsTerminal(os.Stdin) && ui.IsTerminal(os.Stderr) {
		cfg.MFAToken = func() (string, error) {
			code, err := ui.Passphrase("MFA code: ", false)
			return string(code), err
		}
	}
	if o.Debug {
		cfg.Debug = os.Stderr
	}
	return cfg
}

// Store is the embedded keystore, opened when it is first asked for. It stays the services' own.
func (s *Services) Store() (*keystore.Store, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.store == nil && s.storeErr == nil {
		s.store, s.storeErr = OpenKeystore(s.storeOptions)
	}
	return s.store, s.storeErr
}

// OpenedStore is the embedded keystore if a key has needed it and it opened, otherwise nil.
func (s *Services) OpenedStore() *keystore.Store {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.store
}

// EndpointSet tells whether the user named a KMS endpoint other than AWS's own.
func (s *Services) EndpointSet() bool {
	return s.awsOptions.EndpointURL != "" || os.Getenv("AWS_ENDPOINT_URL_KMS") != "" ||
		os.Getenv("AWS_ENDPOINT_URL") != ""
}

// OpenKeystore opens the embedded keystore, and asks for its passphrase where no file has it. The
// caller closes it.
func OpenKeystore(o flags.Store) (*keystore.Store, error) { return openKeystore(o, true) }

// OpenUnasked opens the keystore without asking anybody: its error is keystore.ErrNeedPassphrase
// where that takes a passphrase and no file has it. The caller closes it.
func OpenUnasked(o flags.Store) (*keystore.Store, error) { return openKeystore(o, false) }

func openKeystore(o flags.Store, mayAsk bool) (*keystore.Store, error) {
	path, err := o.Path()
	if err != nil {
		return nil, err
	}
	how := keystore.Options{IdentityFile: o.IdentityFile}
	if mayAsk || o.PassphraseFile != "" {
		how.Passphrase = func() ([]byte, error) {
			return Passphrase(o.PassphraseFile, "Passphrase of the keystore "+path+": ", false)
		}
	}
	return keystore.Open(path, how)
}

// Passphrase is the first line of the file if one is named. Otherwise it is asked for by prompt,
// and with confirm a second time. It is not empty, and the caller wipes it.
func Passphrase(file, prompt string, confirm bool) ([]byte, error) {
	if file == "" {
		return ui.Passphrase(prompt, confirm)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, exit.Errorf(exit.Other, "", "passphrase file: %w", err)
	}
	line, rest, _ := bytes.Cut(b, []byte("\n"))
	clear(rest)
	line = bytes.TrimSuffix(line, []byte("\r"))
	if len(line) == 0 {
		return nil, exit.Errorf(exit.Usage, "put the passphrase on its first line",
			"passphrase file %s: first line is empty", file)
	}
	return line, nil
}

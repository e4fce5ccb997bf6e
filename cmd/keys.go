package cmd

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/envseal/envseal/envelope"
	"github.com/envseal/envseal/envelope/keyring"
	"github.com/envseal/envseal/kmsclient"
	"github.com/envseal/envseal/kmsclient/awskms"
	"github.com/envseal/envseal/kmsclient/keystore"
	"github.com/urfave/cli/v2"
)

// localPrefix marks a key of the embedded keystore on the command line.
const localPrefix = "local:"

// services are the key services that a command may ask. Both are made when they are first needed, so that a command that needs none pays for none.
// It is safe for concurrent use.
type services struct {
	c *cli.Context

	mu     sync.Mutex
	aws    *awskms.Client
	store  *keystore.Store
	stores error // why the keystore did not open; asked for once
}

func newServices(c *cli.Context) *services { return &services{c: c} }

// close wipes what the services hold.
func (s *services) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.store != nil {
		s.store.Close()
	}
}

// AWS is the SDK's client.
func (s *services) AWS() *awskms.Client {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.aws == nil {
		s.aws = awskms.New(awsConfig(s.c))
	}
	return s.aws
}

func awsConfig(c *cli.Context) awskms.Config {
	cfg := awskms.Config{
		Profile:        c.String("profile"),
		Region:         c.String("region"),
		EndpointURL:    c.String("endpoint-url"),
		CABundle:       c.String("ca-bundle"),
		RoleARN:        c.String("role-arn"),
		NoVerifySSL:    c.Bool("no-verify-ssl"),
		NoSignRequest:  c.Bool("no-sign-request"),
		UseFIPS:        c.Bool("use-fips-endpoint"),
		ConnectTimeout: seconds(c.Int("cli-connect-timeout")),
		ReadTimeout:    seconds(c.Int("cli-read-timeout")),
		MaxAttempts:    c.Int("max-attempts"),
		Warn:           func(line string) { warn("%s", line) },
	}
	if isTerminal(os.Stdin) && isTerminal(os.Stderr) {
		cfg.MFAToken = func() (string, error) {
			code, err := readPassphrase("MFA code: ", false)
			return string(code), err
		}
	}
	if c.Bool("debug") {
		cfg.Debug = os.Stderr
	}
	return cfg
}

// Store is the embedded keystore, opened once.
func (s *services) Store() (*keystore.Store, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.store == nil && s.stores == nil {
		s.store, s.stores = openKeystore(s.c)
	}
	return s.store, s.stores
}

// opened is the embedded keystore if a key has needed it and it opened, otherwise nil.
func (s *services) opened() *keystore.Store {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.store
}

func openKeystore(c *cli.Context) (*keystore.Store, error) {
	path, err := keystorePath(c)
	if err != nil {
		return nil, err
	}
	return keystore.Open(path, keystore.Options{
		IdentityFile: c.String("identity-file"),
		Passphrase:   func() ([]byte, error) { return passphrase(c, "Passphrase of the keystore "+path+": ", false) },
	})
}

func keystorePath(c *cli.Context) (string, error) {
	if p := c.String("keystore"); p != "" {
		return filepath.Clean(p), nil
	}
	return keystore.DefaultPath()
}

// passphrase reads it from the file that the user named, or asks for it.
func passphrase(c *cli.Context, prompt string, confirm bool) ([]byte, error) {
	if path := c.String("passphrase-file"); path != "" {
		return firstLine(path)
	}
	return readPassphrase(prompt, confirm)
}

// firstLine reads a passphrase from a file.
func firstLine(path string) ([]byte, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fail(exitOther, "", "passphrase file: %w", err)
	}
	line, rest, _ := bytes.Cut(b, []byte("\n"))
	clear(rest)
	line = bytes.TrimSuffix(line, []byte("\r"))
	if len(line) == 0 {
		return nil, fail(exitUsage, "put the passphrase on its first line", "passphrase file %s: first line is empty", path)
	}
	return line, nil
}

// service is client for commands that show what the service itself says of a key.
func (s *services) service(ref string) (kmsclient.Client, string, error) {
	if ref == "" {
		return nil, "", fail(exitUsage, keyHint, "key id is empty")
	}
	if ref == localPrefix {
		return nil, "", fail(exitUsage, "`envseal keystore list-keys` shows the names", "%s: the name is missing", ref)
	}
	if name, ok := strings.CutPrefix(ref, localPrefix); ok {
		store, err := s.Store()
		if err != nil {
			return nil, "", err
		}
		return store, localName(name), nil
	}
	if arn, err := kmsclient.ParseARN(ref); err == nil {
		c, err := s.forARN(arn)
		return c, ref, err
	} else if strings.HasPrefix(ref, "arn:") {
		return nil, "", fail(exitUsage, keyHint, "key id: %w", err)
	}
	if err := noKeyID(ref); err != nil {
		return nil, "", err
	}
	return s.AWS(), ref, nil
}

const keyHint = "a key is a key id, a key ARN, alias/NAME, an alias ARN, or local:NAME for the embedded keystore"

// isKeyID tells whether ref is the id of a key: a UUID in lower case, whose dashes may be missing, behind mrk- where the key is for several Regions.
func isKeyID(ref string) bool {
	rest := strings.TrimPrefix(ref, "mrk-")
	for i, n := range [...]int{8, 4, 4, 4, 12} {
		if i > 0 {
			rest = strings.TrimPrefix(rest, "-")
		}
		if len(rest) < n || !consistsOf(rest[:n], "0123456789abcdef") {
			return false
		}
		rest = rest[n:]
	}
	return rest == ""
}

// localName turns NAME into alias/NAME, and leaves alias/NAME, ARNs and key ids as they are.
func localName(name string) string {
	if strings.HasPrefix(name, "alias/") || strings.HasPrefix(name, "arn:") || isKeyID(name) {
		return name
	}
	return "alias/" + name
}

// forARN finds the service that holds a key. A key of the Region "local" is the keystore's if it has it; otherwise it is that of a development server, if
// an endpoint is set.
func (s *services) forARN(arn kmsclient.ARN) (kmsclient.Client, error) {
	if arn.Region != kmsclient.LocalRegion {
		return s.AWS(), nil
	}
	store, err := s.Store()
	if err == nil && store.HasKey(arn.String()) {
		return store, nil
	}
	if s.endpointSet() {
		return s.AWS(), nil
	}
	if err != nil && !errors.Is(err, keystore.ErrNoKeystore) {
		return nil, err
	}
	path, pathErr := keystorePath(s.c)
	if pathErr != nil {
		return nil, pathErr
	}
	if err != nil {
		return nil, fail(exitRefused, "name the keystore that holds it with --keystore or ENVSEAL_KEYSTORE", "%s: it is a key of an embedded keystore, and there is none at %s", arn, path)
	}
	return nil, fail(exitRefused, "name the keystore that holds it with --keystore or ENVSEAL_KEYSTORE; `envseal keystore list-keys` shows what this one has", "%s: keystore %s has no such key", arn, path)
}

// endpointSet tells whether the user named a KMS endpoint other than AWS's own.
func (s *services) endpointSet() bool {
	return s.c.String("endpoint-url") != "" || os.Getenv("AWS_ENDPOINT_URL_KMS") != "" || os.Getenv("AWS_ENDPOINT_URL") != ""
}

// recipients turns the key references of -k into recipients.
func (s *services) recipients(refs, grantTokens []string) ([]envelope.Recipient, error) {
	var all []envelope.Recipient
	for _, ref := range refs {
		client, id, err := s.client(ref)
		if err != nil {
			return nil, err
		}
		all = append(all, &keyring.KMSKey{Client: client, KeyID: id, GrantTokens: grantTokens})
	}
	return all, nil
}

// allowed turns the key references of a policy into keyring's form.
func (s *services) allowed(refs []string) ([]keyring.AllowedKey, error) {
	var all []keyring.AllowedKey
	for _, ref := range refs {
		client, id, err := s.client(ref)
		if err != nil {
			return nil, err
		}
		if store, ok := client.(*keystore.Store); ok && strings.HasPrefix(id, "alias/") {
			// The keystore costs no call, so the policy can compare ARNs, and ask for slots of this key only.
			meta, err := store.DescribeKey(s.c.Context, id, kmsclient.Options{})
			if err != nil {
				return nil, err
			}
			id = meta.ARN
		}
		all = append(all, keyring.AllowedKey{KeyID: id, Client: client})
	}
	return all, nil
}

package keystore

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"filippo.io/age"

	"github.com/envseal/envseal/kmsclient"
)

const testPassphrase = "correct horse"

func passphraseOf(s string) func() ([]byte, error) {
	return func() ([]byte, error) { return []byte(s), nil }
}

// createCheap makes a passphrase keystore whose scrypt takes no time.
func createCheap(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "keystore")
	must(t, writeEmpty(path, guard{WorkFactor: 2}, []byte(testPassphrase)))
	return path
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantIs(t *testing.T, err error, targets ...error) {
	t.Helper()
	for _, target := range targets {
		if !errors.Is(err, target) {
			t.Errorf("got %v, want %v", err, target)
		}
	}
}

func createKey(t testing.TB, s *Store) *kmsclient.KeyMetadata {
	t.Helper()
	k, err := s.CreateKey(t.Context(), kmsclient.CreateKeyInput{})
	must(t, err)
	return k
}

func encryptTo(t testing.TB, s *Store, keyID string) []byte {
	t.Helper()
	out, err := s.Encrypt(t.Context(),
		kmsclient.EncryptInput{KeyID: keyID, Plaintext: []byte("plain")})
	must(t, err)
	return out.CiphertextBlob
}

func opens(t testing.TB, s *Store, blob []byte) {
	t.Helper()
	out, err := s.Decrypt(t.Context(), kmsclient.DecryptInput{CiphertextBlob: blob})
	must(t, err)
	defer out.Plaintext.Destroy()
	if string(out.Plaintext.Bytes()) != "plain" {
		t.Error("the blob opens as something else")
	}
}

// TestPassphrase is the only test that pays for a real work factor, but for that of Export.
func TestPassphrase(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keystore")
	secret := []byte(testPassphrase)
	must(t, Create(path, CreateOptions{Passphrase: secret, WorkFactor: minWorkFactor}))
	if string(secret) != testPassphrase {
		t.Error("Create wiped the caller's passphrase")
	}
	s, err := Open(path, Options{Passphrase: passphraseOf(testPassphrase)})
	must(t, err)
	must(t, s.Close())
	raw, err := os.ReadFile(path)
	must(t, err)
	if !bytes.HasPrefix(raw, []byte(scryptIntro)) || !bytes.Contains(raw[:100], []byte(" 16\n")) {
		t.Error("the file is not protected by scrypt with the work factor 16")
	}
}

func TestPassphraseIsAskedOnce(t *testing.T) {
	path := createCheap(t)
	asked := 0
	given := []byte(testPassphrase)
	s, err := Open(path, Options{Passphrase: func() ([]byte, error) { asked++; return given, nil }})
	must(t, err)
	defer s.Close()
	blob := encryptTo(t, s, createKey(t, s).ARN)
	other, err := Open(path, Options{Passphrase: passphraseOf(testPassphrase)})
	must(t, err)
	defer other.Close()
	createKey(t, other) // so that the first one has to read again
	opens(t, s, blob)
	if asked != 1 || len(bytes.Trim(given, "\x00")) != 0 {
		t.Errorf("asked %d times; the passphrase it was given is wiped: %v",
			asked, len(bytes.Trim(given, "\x00")) == 0)
	}
	raw, err := os.ReadFile(path)
	must(t, err)
	if !bytes.HasPrefix(raw, []byte(scryptIntro)) {
		t.Error("the file written back is not protected by scrypt")
	}
}

func TestWrongWayIn(t *testing.T) {
	path := createCheap(t)
	_, err := Open(path, Options{Passphrase: passphraseOf("wrong")})
	wantIs(t, err, ErrWrongPassphrase)
	_, err = Open(path, Options{Passphrase: passphraseOf("")})
	wantIs(t, err, ErrWrongPassphrase)
	_, err = Open(path, Options{})
	wantIs(t, err, ErrNeedPassphrase)
	refusal := errors.New("no terminal")
	_, err = Open(path, Options{Passphrase: func() ([]byte, error) { return nil, refusal }})
	wantIs(t, err, refusal)

	path = filepath.Join(t.TempDir(), "keystore")
	must(t, Create(path, CreateOptions{IdentityFile: path + ".id"}))
	never := func() ([]byte, error) {
		t.Error("asked for a passphrase that is not needed")
		return nil, nil
	}
	_, err = Open(path, Options{Passphrase: never})
	wantIs(t, err, ErrNeedIdentity)
	_, err = Open(path, Options{IdentityFile: path + ".absent"})
	wantIs(t, err, ErrNeedIdentity, fs.ErrNotExist)
	_, err = createIdentity(path + ".other")
	must(t, err)
	_, err = Open(path, Options{IdentityFile: path + ".other"})
	wantIs(t, err, ErrWrongIdentity)
	must(t, os.WriteFile(path+".text", []byte("not an identity\n"), 0o600))
	_, err = Open(path, Options{IdentityFile: path + ".text"})
	wantIs(t, err, ErrWrongIdentity)
	s, err := Open(path, Options{IdentityFile: path + ".id", Passphrase: never})
	must(t, err)
	must(t, s.Close())
}

func TestExposedIdentity(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("file modes do not protect files here")
	}
	path := newStore(t).path
	for _, mode := range []os.FileMode{0o640, 0o604, 0o620, 0o644} {
		must(t, os.Chmod(path+identitySuffix, mode))
		_, err := Open(path, Options{})
		wantIs(t, err, ErrExposed)
		if err == nil || !strings.Contains(err.Error(), "chmod 600") {
			t.Errorf("no hint in %v", err)
		}
	}
	must(t, os.Chmod(path+identitySuffix, 0o400))
	openStore(t, path)
}

func TestCreateRefuses(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "sub", "keystore")
	for _, o := range []CreateOptions{
		{},
		{Passphrase: []byte("x"), PlaintextInsecure: true},
		{Passphrase: []byte("x"), IdentityFile: path + ".id"},
		{Passphrase: []byte("x"), WorkFactor: 15},
		{Passphrase: []byte("x"), WorkFactor: 19},
	} {
		if err := Create(path, o); err == nil {
			t.Errorf("%+v was accepted", o)
		}
	}
	if list, _ := os.ReadDir(dir); len(list) != 0 {
		t.Errorf("refusals left %v", list)
	}
	must(t, os.MkdirAll(filepath.Dir(path), 0o700))
	must(t, os.WriteFile(path+".id", []byte("mine"), 0o600))
	wantIs(t, Create(path, CreateOptions{IdentityFile: path + ".id"}), ErrExists, fs.ErrExist)
	must(t, os.WriteFile(path, []byte("also mine"), 0o600))
	wantIs(t, Create(path, CreateOptions{PlaintextInsecure: true}), ErrExists)
	for name, want := range map[string]string{path: "also mine", path + ".id": "mine"} {
		if got, err := os.ReadFile(name); err != nil || string(got) != want {
			t.Errorf("%s holds %q (%v)", name, got, err)
		}
	}
}

func TestModes(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("file modes do not protect files here")
	}
	dir := filepath.Join(t.TempDir(), "new", "dir")
	path := filepath.Join(dir, "keystore")
	must(t, Create(path, CreateOptions{IdentityFile: path + identitySuffix}))
	createKey(t, openStore(t, path))
	for _, name := range []string{path, path + identitySuffix, path + lockSuffix} {
		info, err := os.Stat(name)
		must(t, err)
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has the mode %o", name, info.Mode().Perm())
		}
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the directory has the mode %o (%v)", info.Mode().Perm(), err)
	}
	if list, _ := os.ReadDir(dir); len(list) != 3 {
		t.Errorf("the directory holds %v", list)
	}
}

func TestNoKeystore(t *testing.T) {
	_, err := Open(filepath.Join(t.TempDir(), "absent"), Options{})
	wantIs(t, err, ErrNoKeystore, fs.ErrNotExist)
	_, err = Open(t.TempDir(), Options{})
	wantIs(t, err, ErrNotKeystore)
	foreign := filepath.Join(t.TempDir(), "foreign")
	must(t, os.WriteFile(foreign, []byte("root:x:0:0:root:/root:/bin/sh\n"), 0o600))
	_, err = Open(foreign, Options{})
	wantIs(t, err, ErrNotKeystore)
	if errors.Is(err, ErrDamaged) {
		t.Errorf("a foreign file is called damaged: %v", err)
	}
}

func TestDefaultPath(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	for _, c := range []struct{ own, data, want string }{
		{"/x/ks", "/data", "/x/ks"},
		{"", "/data", "/data/envseal/keystore"},
		{"", "relative", home + "/.local/share/envseal/keystore"},
		{"", "", home + "/.local/share/envseal/keystore"},
	} {
		t.Setenv("ENVSEAL_KEYSTORE", c.own)
		t.Setenv("XDG_DATA_HOME", c.data)
		if got, err := DefaultPath(); err != nil || got != filepath.FromSlash(c.want) {
			t.Errorf("%+v: got %s (%v)", c, got, err)
		}
	}
}

// TestAgeOpensIt keeps the promise that a keystore is an age file like any other.
func TestAgeOpensIt(t *testing.T) {
	s := newStore(t)
	k := createKey(t, s)
	raw, err := os.ReadFile(s.path)
	must(t, err)
	f, err := os.Open(s.path + identitySuffix)
	must(t, err)
	defer f.Close()
	ids, err := age.ParseIdentities(f)
	must(t, err)
	r, err := age.Decrypt(bytes.NewReader(raw), ids...)
	must(t, err)
	var body bytes.Buffer
	_, err = body.ReadFrom(r)
	must(t, err)
	st, err := decodeBody(body.Bytes())
	must(t, err)
	defer st.destroy()
	if st.byID[k.KeyID] == nil || !strings.HasPrefix(body.String(), "envseal keystore 1\n") {
		t.Error("what age decrypts is not the keystore")
	}
}

func TestSymbolicLink(t *testing.T) {
	path := newStore(t).path
	link := filepath.Join(t.TempDir(), "link")
	must(t, os.Symlink(path, link))
	s, err := Open(link, Options{IdentityFile: path + identitySuffix})
	must(t, err)
	defer s.Close()
	k := createKey(t, s)
	if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link was replaced (%v)", err)
	}
	if !openStore(t, path).HasKey(k.KeyID) {
		t.Error("the change did not reach the file behind the link")
	}
}

package keystore

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/envseal/envseal/cmd/e2e/testhome"
	"github.com/envseal/envseal/kmsclient"
)

// childVariable makes the test binary work as another process on the keystore it names:
// "ACTION PATH".
const childVariable = "ENVSEAL_KEYSTORE_TEST_CHILD"

func TestMain(m *testing.M) {
	if action, path, ok := strings.Cut(os.Getenv(childVariable), " "); ok {
		if err := childActions[action](path); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(testhome.Run(m.Run))
}

var childActions = map[string]func(path string) error{"change": childChange,
	"spin": childSpin, "hold": childHold}

func child(t *testing.T, action, path string) *exec.Cmd {
	t.Helper()
	c := exec.Command(os.Args[0])
	c.Env = append(os.Environ(), childVariable+"="+action+" "+path)
	c.Stderr = os.Stderr
	return c
}

const changesPerProcess = 15

// childChange makes keys with an alias each.
func childChange(path string) error {
	s, err := Open(path, Options{})
	if err != nil {
		return err
	}
	defer s.Close()
	for i := range changesPerProcess {
		k, err := s.CreateKey(context.Background(), kmsclient.CreateKeyInput{})
		if err != nil {
			return err
		}
		err = s.CreateAlias(context.Background(), fmt.Sprintf("alias/%d-%d", os.Getpid(), i), k.KeyID)
		if err != nil {
			return err
		}
	}
	return nil
}

// childSpin rotates until it is killed.
func childSpin(path string) error {
	s, err := Open(path, Options{})
	if err != nil {
		return err
	}
	fmt.Println("ready")
	for {
		if err := s.RotateKeyOnDemand(context.Background(), s.current.keys[0].ID); err != nil {
			return err
		}
	}
}

func TestProcessesAtOnce(t *testing.T) {
	s := newStore(t)
	own := createKey(t, s)
	var children []*exec.Cmd
	for range 3 {
		c := child(t, "change", s.path)
		must(t, c.Start())
		children = append(children, c)
	}
	for i := range changesPerProcess {
		must(t, s.CreateAlias(t.Context(), fmt.Sprintf("alias/own-%d", i), own.KeyID))
	}
	for _, c := range children {
		must(t, c.Wait())
	}
	keys, err := s.ListKeys(t.Context())
	must(t, err)
	aliases, err := s.ListAliases(t.Context(), "")
	must(t, err)
	if len(keys) != 1+3*changesPerProcess || len(aliases) != 4*changesPerProcess {
		t.Errorf("%d keys and %d aliases are there: a change was lost", len(keys), len(aliases))
	}
	for _, a := range aliases {
		opens(t, s, encryptTo(t, s, a.ARN))
	}
}

// TestKilledWhileWriting kills a writer at random moments: what is left must open, with every key
// that was there.
func TestKilledWhileWriting(t *testing.T) {
	const enough, tooMany = 20, 200
	s := newStore(t)
	k := createKey(t, s)
	blob := encryptTo(t, s, k.ARN)
	const shortest, longest = 8 * time.Millisecond, time.Second
	rotations, window := 0, shortest
	for kills := 0; kills < enough || rotations < enough; kills++ {
		if kills == tooMany {
			t.Fatalf("%d rotations before %d kills: the writers do not get to write", rotations, kills)
		}
		killWriter(t, s.path, window)
		fresh := openStore(t, s.path)
		opens(t, fresh, blob)
		if n := len(fresh.current.keys[0].Backing); n > rotations {
			rotations, window = n, max(shortest, window*3/4)
		} else {
			window = min(longest, window*3/2) // a busy disk takes longer
		}
		must(t, fresh.Close())
	}
	opens(t, s, encryptTo(t, s, k.ARN))
	must(t, s.DisableKey(t.Context(), k.KeyID)) // the lock died with its holder
}

// killWriter kills a writer at a random moment of the window that begins when it does.
func killWriter(t *testing.T, path string, window time.Duration) {
	t.Helper()
	c := child(t, "spin", path)
	out, err := c.StdoutPipe()
	must(t, err)
	must(t, c.Start())
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatal("the writer did not start")
	}
	time.Sleep(rand.N(window))
	must(t, c.Process.Kill())
	if err := c.Wait(); err == nil {
		t.Fatal("the writer ended by itself")
	}
}

// TestLeftOverTemporary is a crash between writing and renaming.
func TestLeftOverTemporary(t *testing.T) {
	s := newStore(t)
	k := createKey(t, s)
	must(t, os.WriteFile(s.path+tempSuffix, []byte("half a keyst"), 0o644))
	fresh := openStore(t, s.path)
	if !fresh.HasKey(k.KeyID) {
		t.Error("the old keystore is gone")
	}
	must(t, fresh.DisableKey(t.Context(), k.KeyID))
	if _, err := os.Stat(s.path + tempSuffix); !os.IsNotExist(err) {
		t.Errorf("the temporary file is still there (%v)", err)
	}
	if info, err := os.Stat(s.path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the mode is that of the planted file: %v (%v)", info.Mode(), err)
	}
}

// TestFailedWrite lets the write fail, by a directory where the temporary file belongs: nothing may
// have changed.
func TestFailedWrite(t *testing.T) {
	s := newStore(t)
	k := createKey(t, s)
	must(t, os.MkdirAll(s.path+tempSuffix+"/full", 0o700))
	err := s.DisableKey(t.Context(), k.KeyID)
	wantIs(t, err, ErrWrite)
	if errors.Is(err, kmsclient.ErrUnavailable) || !strings.Contains(err.Error(), s.path) {
		t.Errorf("%v: does not name the path, or tells to try again", err)
	}
	opens(t, s, encryptTo(t, s, k.KeyID))
	opens(t, openStore(t, s.path), encryptTo(t, s, k.KeyID))
	must(t, os.RemoveAll(s.path+tempSuffix))
	must(t, s.DisableKey(t.Context(), k.KeyID))
}

func TestLockedByAnother(t *testing.T) {
	s := newStore(t)
	k := createKey(t, s)
	unlock, err := lockFile(t.Context(), s.path)
	must(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	err = s.RotateKeyOnDemand(ctx, k.KeyID)
	wantIs(t, err, context.DeadlineExceeded, kmsclient.ErrUnavailable)
	opens(t, s, encryptTo(t, s, k.KeyID)) // reading needs no lock
	unlock()
	must(t, s.RotateKeyOnDemand(t.Context(), k.KeyID))
}

func TestOtherStoreIsNoticed(t *testing.T) {
	a := newStore(t)
	b := openStore(t, a.path)
	k := createKey(t, a)
	blob := encryptTo(t, b, k.KeyID)
	for range 50 { // as fast as can be: more than one version within a tick of the file system's clock
		must(t, a.DisableKey(t.Context(), k.KeyID))
		_, err := b.Encrypt(t.Context(), kmsclient.EncryptInput{KeyID: k.KeyID, Plaintext: []byte("x")})
		if !errors.Is(err, kmsclient.ErrDisabled) {
			t.Fatalf("the other store did not see it: %v", err)
		}
		must(t, a.EnableKey(t.Context(), k.KeyID))
		opens(t, b, blob)
	}
	must(t, os.Remove(a.path))
	_, err := b.ListKeys(t.Context())
	wantIs(t, err, kmsclient.ErrUnavailable)
	if b.HasKey(k.KeyID) {
		t.Error("a keystore that is gone has keys")
	}
}

// childHold works with the keystore and then holds it open until its standard input ends.
func childHold(path string) error {
	s, err := Open(path, Options{})
	if err != nil {
		return err
	}
	ctx := context.Background()
	id := s.current.keys[0].ID
	if err := s.RotateKeyOnDemand(ctx, id); err != nil {
		return err
	}
	sealed, err := s.Encrypt(ctx, kmsclient.EncryptInput{KeyID: id, Plaintext: []byte("x")})
	if err != nil {
		return err
	}
	out, err := s.Decrypt(ctx, kmsclient.DecryptInput{CiphertextBlob: sealed.CiphertextBlob})
	if err != nil {
		return err
	}
	out.Plaintext.Destroy()
	fmt.Println("ready")
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

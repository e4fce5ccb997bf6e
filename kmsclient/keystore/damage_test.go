package keystore

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/envseal/envseal/kmsclient"
)

// filled is a clear-text keystore with a bit of everything in it.
func filled(t testing.TB) *Store {
	t.Helper()
	path := filepath.Join(t.TempDir(), "keystore")
	must(t, Create(path, CreateOptions{PlaintextInsecure: true}))
	s := openStore(t, path)
	a, b := createKey(t, s), createKey(t, s)
	_, err := s.CreateKey(t.Context(),
		kmsclient.CreateKeyInput{Description: "with ümlaut", MultiRegion: true})
	must(t, err)
	must(t, s.CreateAlias(t.Context(), "alias/a", a.KeyID))
	must(t, s.RotateKeyOnDemand(t.Context(), a.KeyID))
	must(t, s.DisableKey(t.Context(), a.KeyID))
	_, err = s.ScheduleKeyDeletion(t.Context(), b.KeyID, 7)
	must(t, err)
	return s
}

// TestDamagedFile flips a bit of every byte and cuts at every other length: always an error, never
// a panic, never keys.
func TestDamagedFile(t *testing.T) {
	small := newStore(t)
	createKey(t, small)
	for name, s := range map[string]*Store{"identity": small, "clear": filled(t)} {
		t.Run(name, func(t *testing.T) {
			raw, err := os.ReadFile(s.path)
			must(t, err)
			if st, err := s.opener.open(raw); err != nil {
				t.Fatal(err)
			} else {
				st.destroy()
			}
			try := func(what string, at int, bad []byte) {
				_, err := s.opener.open(bad)
				if err == nil {
					t.Fatalf("%s at %d of %d: opened", what, at, len(raw))
				}
				if !errors.Is(err, ErrDamaged) && !(errors.Is(err, ErrNotKeystore) && at < len(clearIntro)) &&
					!errors.Is(err, ErrWrongIdentity) && !errors.Is(err, ErrNewer) {
					t.Errorf("%s at %d: %v", what, at, err)
				}
			}
			for i := range raw {
				bad := bytes.Clone(raw)
				bad[i] ^= 1 << (i % 8)
				if !needsPassphrase(bad) {
					try("flip", i, bad)
				}
				if i%2 == 0 {
					try("cut", i, raw[:i])
				}
			}
			try("append", len(raw), append(bytes.Clone(raw), 0))
			try("double", len(raw), append(bytes.Clone(raw), raw...))
		})
	}
}

func TestDamagedPassphraseFile(t *testing.T) {
	path := createCheap(t)
	s, err := Open(path, Options{Passphrase: passphraseOf(testPassphrase)})
	must(t, err)
	defer s.Close()
	createKey(t, s)
	raw, err := os.ReadFile(path)
	must(t, err)
	digit := bytes.IndexByte(raw[len(scryptIntro):], ' ') + len(scryptIntro) + 1
	for i := range raw {
		if i == digit {
			continue // the work factor: tried below
		}
		bad := bytes.Clone(raw)
		bad[i] ^= 1 << (i % 8)
		if _, err := s.opener.open(bad); err == nil {
			t.Fatalf("opened with byte %d flipped", i)
		}
	}
	for _, factor := range []string{"1", "3", "21", "30", "99", "0", "-1", ""} {
		bad := bytes.Join([][]byte{raw[:digit], []byte(factor), raw[digit+1:]}, nil)
		if _, err := s.opener.open(bad); err == nil {
			t.Errorf("opened with the work factor %q", factor)
		}
	}
}

// body is the decrypted content of a keystore with the given metadata and some key material.
func testBody(version, meta string, material int) []byte {
	out := []byte(version)
	out = binary.BigEndian.AppendUint32(out, uint32(len(meta)))
	out = append(out, meta...)
	return append(out, bytes.Repeat([]byte{7}, material)...)
}

const (
	testVersion = "envseal keystore 1\n"
	testKeyID   = "01234567-89ab-4cde-8f01-23456789abcd"
	testHex     = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
	testMeta    = `"CreationDate":"2024-01-02T03:04:05Z","Material":[{"KeyMaterialId":"` + testHex +
		`","CreationDate":"2024-01-02T03:04:05Z"}]}`
	testKey = `{"KeyId":"` + testKeyID + `","KeyState":"Enabled",` + testMeta
)

func TestDecodeBody(t *testing.T) {
	good := testBody(testVersion,
		`{"Keys":[`+testKey+`],"Aliases":[{"AliasName":"alias/x","TargetKeyId":"`+testKeyID+`"}]}`, 32)
	st, err := decodeBody(good)
	must(t, err)
	k := st.byID[testKeyID]
	if k == nil || st.aliases["alias/x"].Target != testKeyID || st.bytesOf(k.current())[31] != 7 {
		t.Error("the good one was read wrongly")
	}
	st.destroy()
	for name, bad := range map[string][]byte{
		"empty":             nil,
		"foreign":           []byte("SQLite format 3\n"),
		"no version":        testBody("envseal keystore \n", `{}`, 0),
		"version 0":         testBody("envseal keystore 0\n", `{}`, 0),
		"version 01":        testBody("envseal keystore 01\n", `{}`, 0),
		"cut length":        []byte(testVersion + "\x00\x00"),
		"long length":       []byte(testVersion + "\xff\xff\xff\xff{}"),
		"no JSON":           testBody(testVersion, `{`, 0),
		"trailing JSON":     testBody(testVersion, `{} {}`, 0),
		"unknown field":     testBody(testVersion, `{"Keys":[],"Grants":[]}`, 0),
		"material missing":  testBody(testVersion, `{"Keys":[`+testKey+`]}`, 31),
		"material too much": testBody(testVersion, `{"Keys":[`+testKey+`]}`, 64),
		"material alone":    testBody(testVersion, `{}`, 32),
		"key doubled":       testBody(testVersion, `{"Keys":[`+testKey+`,`+testKey+`]}`, 64),
		"key id": testBody(testVersion,
			`{"Keys":[{"KeyId":"x","KeyState":"Enabled",`+testMeta+`]}`, 32),
		"state": testBody(testVersion,
			`{"Keys":[{"KeyId":"`+testKeyID+`","KeyState":"Unheard",`+testMeta+`]}`, 32),
		"pending, no date": testBody(testVersion,
			`{"Keys":[{"KeyId":"`+testKeyID+`","KeyState":"PendingDeletion",`+testMeta+`]}`, 32),
		"no material": testBody(testVersion,
			`{"Keys":[{"KeyId":"`+testKeyID+`","KeyState":"Enabled"}]}`, 0),
		"alias to nowhere": testBody(testVersion,
			`{"Aliases":[{"AliasName":"alias/x","TargetKeyId":"`+testKeyID+`"}]}`, 0),
		"alias name": testBody(testVersion,
			`{"Keys":[`+testKey+`],"Aliases":[{"AliasName":"x","TargetKeyId":"`+testKeyID+`"}]}`, 32),
		"work factor": testBody(testVersion, `{"WorkFactor":40}`, 0),
	} {
		if _, err := decodeBody(bad); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestNewerVersion(t *testing.T) {
	_, err := decodeBody(testBody("envseal keystore 2\n", `{"Format":"unheard of"}`, 0))
	wantIs(t, err, ErrNewer)
	path := filepath.Join(t.TempDir(), "keystore")
	must(t, os.WriteFile(path, addSum(testBody("envseal keystore 7\n", `{}`, 0)), 0o600))
	_, err = Open(path, Options{})
	wantIs(t, err, ErrNewer)
}

// TestDeletionIsDue lets the clock run past the waiting period.
func TestDeletionIsDue(t *testing.T) {
	s := newStore(t)
	doomed, kept := createKey(t, s), createKey(t, s)
	must(t, s.CreateAlias(t.Context(), "alias/doomed", doomed.KeyID))
	blob, other := encryptTo(t, s, doomed.ARN), encryptTo(t, s, kept.ARN)
	due, err := s.ScheduleKeyDeletion(t.Context(), doomed.KeyID, 7)
	must(t, err)
	s.now = func() time.Time { return due.Add(-time.Second) }
	must(t, s.CancelKeyDeletion(t.Context(), doomed.KeyID))
	due, err = s.ScheduleKeyDeletion(t.Context(), doomed.KeyID, 7)
	must(t, err)
	s.now = func() time.Time { return due }
	_, err = s.DescribeKey(t.Context(), "alias/doomed", kmsclient.Options{})
	wantIs(t, err, kmsclient.ErrNotFound)
	wantIs(t, s.CancelKeyDeletion(t.Context(), doomed.KeyID), kmsclient.ErrNotFound)
	_, err = s.Decrypt(t.Context(), kmsclient.DecryptInput{CiphertextBlob: blob})
	wantIs(t, err, kmsclient.ErrInvalidCiphertext)
	opens(t, s, other)
	// the first change takes the bytes out of the file
	must(t, s.RotateKeyOnDemand(t.Context(), kept.KeyID))
	opens(t, s, other)
	fresh := openStore(t, s.path)
	opens(t, fresh, other)
	if fresh.HasKey(doomed.KeyID) || fresh.current.used != 2 {
		t.Errorf("the file still holds the deleted key: %d backing keys", fresh.current.used)
	}
}

// TestClockThatWasWrong: a clock that runs ahead for a while hides a key that waits for its
// deletion, but a change after it is set right does not take the key out of the file.
func TestClockThatWasWrong(t *testing.T) {
	s := newStore(t)
	waiting := createKey(t, s)
	blob := encryptTo(t, s, waiting.ARN)
	due, err := s.ScheduleKeyDeletion(t.Context(), waiting.KeyID, 30)
	must(t, err)
	s.now = func() time.Time { return due }
	if s.HasKey(waiting.KeyID) {
		t.Error("the key is there on the day of its deletion")
	}
	s.now = time.Now
	createKey(t, s)
	must(t, s.CancelKeyDeletion(t.Context(), waiting.KeyID))
	must(t, s.EnableKey(t.Context(), waiting.KeyID))
	opens(t, openStore(t, s.path), blob)
}

// TestQuota: a full keystore says so, in the same words and of the same kind as KMS.
func TestQuota(t *testing.T) {
	aliases := make([]string, maxAliases)
	for i := range aliases {
		aliases[i] = fmt.Sprintf(`{"AliasName":"alias/%d","TargetKeyId":"%s"}`, i, testKeyID)
	}
	meta := `{"Keys":[` + testKey + `],"Aliases":[` + strings.Join(aliases, ",") + `]}`
	path := filepath.Join(t.TempDir(), "keystore")
	must(t, os.WriteFile(path, addSum(testBody(testVersion, meta, 32)), 0o600))
	err := openStore(t, path).CreateAlias(t.Context(), "alias/more", testKeyID)
	wantIs(t, err, kmsclient.ErrQuota, kmsclient.ErrThrottled)
	var refusal *kmsclient.Error
	if !errors.As(err, &refusal) || refusal.Code != "LimitExceededException" ||
		!strings.Contains(err.Error(), "a quota is reached: a keystore holds at most 10000 aliases") {
		t.Errorf("got %v", err)
	}
}

// TestIsBlob: whoever has a blob and no key id finds the service by it.
func TestIsBlob(t *testing.T) {
	s := newStore(t)
	if !IsBlob(encryptTo(t, s, createKey(t, s).KeyID)) {
		t.Error("a blob of a keystore is not known as one")
	}
	if IsBlob(nil) || IsBlob([]byte("ENV")) || IsBlob([]byte{1, 2, 2, 0}) {
		t.Error("something else is taken for a blob of a keystore")
	}
}

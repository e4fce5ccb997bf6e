package awskms

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/envseal/envseal/envelope/keymem"
)

// TestPieceSize: the buffer that append makes for the head of a record and a piece has room for the
// type byte and the tag behind it, so that crypto/tls does not move to a larger one and leave the
// text behind.
func TestPieceSize(t *testing.T) {
	const recordHead, typeByte, tag = 5, 1, 16
	piece := make([]byte, pieceSize)
	// capacities that an earlier record may have left
	for _, had := range []int{0, 5, 48, 64, 128, 256} {
		record := append(append(make([]byte, 0, had), make([]byte, recordHead)...), piece...)
		if room := cap(record) - len(record); room < typeByte+tag {
			t.Errorf("from %d bytes append goes to %d, with %d left", had, cap(record), room)
		}
	}
}

// TestMFAStopsTheClock: the time in which somebody looks for the code does not count, the time
// after does.
func TestMFAStopsTheClock(t *testing.T) {
	var late atomic.Bool
	code := &mfa{ask: func() (string, error) {
		time.Sleep(120 * time.Millisecond)
		return " 123456 ", nil
	}}
	stop := code.bound(40*time.Millisecond, func() { late.Store(true) })
	got, err := code.token()
	if err != nil || got != "123456" || late.Load() {
		t.Errorf("%q, %v, late: %v", got, err, late.Load())
	}
	for deadline := time.Now().Add(5 * time.Second); !late.Load() && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	if !late.Load() {
		t.Error("the clock did not go on")
	}
	stop()
}

func TestOneLine(t *testing.T) {
	for in, want := range map[string]string{
		"a\nb\r\n\tc":                    "a b c",
		"\x1b[31mred\x1b[0m":             "[31mred [0m",
		"caf\u00e9 \u009bx \u2028y \xff": "caf\u00e9  x  y ?",
	} {
		if got := oneLine(in); got != want {
			t.Errorf("%q becomes %q, want %q", in, got, want)
		}
	}
	if n := len(oneLine(strings.Repeat("x", 1<<20))); n > 2*longest {
		t.Errorf("%d bytes", n)
	}
}

// TestHidden: an error of the SDK is in reach, and prints nothing of itself.
func TestHidden(t *testing.T) {
	inner := errors.New("TOPSECRET")
	err := error(hidden{inner})
	text, _ := json.Marshal(err)
	all := fmt.Sprintf("%v %+v %#v %s %q %s", err, err, err, err, err, text)
	if strings.Contains(all, "TOPSECRET") {
		t.Error(all)
	}
	if !errors.Is(err, inner) {
		t.Error("not in reach")
	}
}

// corpus are the answers that FuzzAnswer begins with, one in a file.
const corpus = "testdata/answers"

// FuzzAnswer: cutSecret never panics, takes the text that encoding/json finds there and no other,
// leaves none of it in the body, and leaves JSON as it was but for that.
func FuzzAnswer(f *testing.F) {
	files, err := filepath.Glob(filepath.Join(corpus, "*.json"))
	if err != nil || len(files) == 0 {
		f.Fatalf("no corpus in %s: %v", corpus, err)
	}
	for _, name := range files {
		body, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if len(body) > maxSecretAnswer {
			return
		}
		left := bytes.Clone(body)
		secret, err := cutSecret(left, "Plaintext")
		if secret != nil {
			defer secret.Destroy()
		}
		want, text, valid := reference(body)
		switch {
		case err != nil && secret != nil:
			t.Fatal("an error and a key")
		case err == nil && !valid:
			t.Fatalf("took what encoding/json does not: %q", body)
		case err == nil && (secret == nil) != (len(want) == 0):
			t.Fatalf("want %q, got %v", want, secret)
		case secret != nil && !bytes.Equal(secret.Bytes(), want):
			t.Fatalf("want %q, got %q", want, secret.Bytes())
		}
		checkRest(t, left, body, text, err)
	})
}

// reference reads an answer with encoding/json. valid is false where cutSecret must refuse it.
func reference(body []byte) (key []byte, text string, valid bool) {
	var members map[string]json.RawMessage
	if json.Unmarshal(body, &members) != nil {
		return nil, "", false
	}
	raw, there := members["Plaintext"]
	if !there || string(raw) == "null" {
		return nil, "", true
	}
	if json.Unmarshal(raw, &text) != nil || strings.ContainsAny(text, "\r\n") {
		return nil, text, false
	}
	key, err := base64.StdEncoding.DecodeString(text)
	return key, text, err == nil
}

// checkRest looks at what is left for the SDK to read.
func checkRest(t *testing.T, left, body []byte, text string, err error) {
	t.Helper()
	if len(left) != len(body) {
		t.Fatal("the length changed")
	}
	if err != nil {
		if len(text) >= 16 && bytes.Count(body, []byte(text)) == 1 && bytes.Contains(left, []byte(text)) {
			t.Fatalf("refused, but the text is still there: %q", left)
		}
		return
	}
	was, err := members(body)
	if err != nil {
		t.Fatalf("of %q: %v", body, err)
	}
	is, err := members(left)
	if err != nil {
		t.Fatalf("left %q: %v", left, err)
	}
	if was["Plaintext"] != nil {
		was["Plaintext"] = ""
	}
	if a, b := fmt.Sprint(was), fmt.Sprint(is); a != b {
		t.Fatalf("%s became %s", a, b)
	}
}

// members are those of a JSON object, its numbers as they are written: some are larger than any
// float64.
func members(body []byte) (all map[string]any, err error) {
	if !json.Valid(body) {
		return nil, errors.New("not JSON")
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	err = decoder.Decode(&all)
	return all, err
}

// TestSplice: what is sent is the JSON that the SDK wrote with the text in its place, in whole
// pieces, and the hash is of that.
func TestSplice(t *testing.T) {
	for _, n := range []int{1, 2, 3, 31, 32, 33, 1024, 4096} {
		plain := bytes.Repeat([]byte{0xfb}, n)
		x := &exchange{call: &call{plaintext: plain}}
		err := x.splice([]byte(
			`{"EncryptionContext":{"Plaintext":""},"KeyId":"\"Plaintext\":\"\"","Plaintext":""}`))
		if err != nil {
			t.Fatal(err)
		}
		var sent struct {
			EncryptionContext map[string]string
			KeyId             string
			Plaintext         []byte
		}
		body := x.body.Bytes()
		err = json.Unmarshal(body, &sent)
		if err != nil || !bytes.Equal(sent.Plaintext, plain) || sent.KeyId != `"Plaintext":""` {
			t.Errorf("%d bytes: sent %s, %v", n, body, err)
		}
		if len(body)%pieceSize != 0 || bytes.Contains(body[len(body)-64:], []byte("+")) {
			t.Errorf("%d bytes: the body has %d, the last ones %q", n, len(body), body[len(body)-64:])
		}
		x.release(nil)
	}
	for _, public := range []string{"", "{}", `{"Plaintext":"x"}`, `{"Plaintext":""} `, `[]`} {
		x := &exchange{call: &call{plaintext: []byte("p")}}
		if err := x.splice([]byte(public)); err == nil {
			t.Errorf("%q was taken", public)
		}
	}
}

// TestTraces: buffers are remembered whole and once, and wiped.
func TestTraces(t *testing.T) {
	seen := &traces{}
	buffer := bytes.Repeat([]byte("k"), 64)
	if _, err := seen.reader(strings.NewReader("secret")).Read(buffer[:8]); err != nil {
		t.Fatal(err)
	}
	seen.add(buffer[:16])
	seen.add(nil)
	if len(seen.buffers) != 1 {
		t.Errorf("%d buffers", len(seen.buffers))
	}
	keymem.Do(seen.wipe)
	if len(bytes.Trim(buffer, "\x00")) != 0 {
		t.Errorf("left %q", buffer)
	}
}

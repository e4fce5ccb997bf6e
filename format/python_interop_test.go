//go:build interop

package format_test

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/envseal/envseal/cmd/e2e/testhome"
)

func TestMain(m *testing.M) { os.Exit(testhome.Run(m.Run)) }

// The reader in Python, of the folder reader, in one process for all cases of a test.

type python struct {
	t   *testing.T
	in  io.Writer
	out *bufio.Reader
}

func startPython(t *testing.T) *python {
	t.Helper()
	testhome.Need(t)
	c := exec.Command("/usr/bin/python3", filepath.Join("reader", "batch.py"))
	c.Env = append(os.Environ(), "PYTHONDONTWRITEBYTECODE=1")
	var stderr bytes.Buffer
	c.Stderr = &stderr
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		if err := c.Wait(); err != nil || stderr.Len() > 0 {
			t.Errorf("python3: %v: %s", err, &stderr)
		}
	})
	return &python{t: t, in: in, out: bufio.NewReader(out)}
}

// ask sends one case, and reads what came of it.
func (p *python) ask(request map[string]any, answer any) {
	p.t.Helper()
	b, err := json.Marshal(request)
	if err != nil {
		p.t.Fatal(err)
	}
	if _, err := p.in.Write(append(b, '\n')); err != nil {
		p.t.Fatal(err)
	}
	line, err := p.out.ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, answer)
	}
	if err != nil {
		p.t.Fatalf("python3 answers %q: %v", line, err)
	}
}

// verdict is what the reader made of a file.
type verdict struct {
	Kind, Words string
	Size        int
	SHA256      string
}

func (p *python) open(v *vector) (got verdict) {
	p.t.Helper()
	request := map[string]any{"op": "open", "file": hex.EncodeToString(v.body),
		"headerSize": v.detached, "noDecompress": v.options["no-decompress"] != ""}
	for name, option := range map[string]string{"maxSlots": "max-slots", "maxSize": "max-size"} {
		if v.options[option] != "" {
			request[name] = v.limit(option)
		}
	}
	var answers []map[string]string
	for _, a := range v.decrypt {
		answers = append(answers, map[string]string{"keyId": a.keyID,
			"encryptionContext": hex.EncodeToString(a.context),
			"ciphertextBlob":    hex.EncodeToString(a.blob),
			"plaintext":         hex.EncodeToString(a.plaintext)})
	}
	request["decrypt"] = answers
	p.ask(request, &got)
	return got
}

// TestInteropPythonVectors: the reader in Python does with every vector what the vector says.
func TestInteropPythonVectors(t *testing.T) {
	p, counts := startPython(t), map[string]int{}
	for _, v := range readVectors(t) {
		if strings.HasSuffix(v.form, "key file") || v.form == "pair file" {
			continue
		}
		got := p.open(v)
		counts[got.Kind]++
		if got.Kind != v.expect {
			t.Errorf("%s: %s, want %s: %s", v.name, got.Kind, v.expect, got.Words)
		}
		if !v.allowsHash(released{got.Size, got.SHA256}) {
			t.Errorf("%s: %d bytes came out, not one of %v", v.name, got.Size, v.released)
		}
	}
	t.Log(counts)
}

// TestInteropPythonVectorsJSON: the same from vectors.json, without a parser of ours.
func TestInteropPythonVectorsJSON(t *testing.T) {
	testhome.Need(t)
	c := exec.Command("/usr/bin/python3", filepath.Join("reader", "batch.py"),
		filepath.Join(vectorsPath, "vectors.json"))
	c.Env = append(os.Environ(), "PYTHONDONTWRITEBYTECODE=1")
	out, err := c.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Error(err)
	}
}

// allowsHash is allows for what is known by its hash.
func (v *vector) allowsHash(out released) bool {
	for _, r := range v.released {
		if r == out {
			return true
		}
	}
	return false
}

package format_test

import (
	"bytes"
	"encoding/pem"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/envseal/envseal/format"
)

const (
	beginLine = "-----BEGIN ENVSEAL FILE-----\n"
	endLine   = "-----END ENVSEAL FILE-----\n"
)

// armor writes data in pieces of the given size.
func armor(t testing.TB, data []byte, piece int) string {
	t.Helper()
	var text bytes.Buffer
	w := format.NewArmorWriter(&text)
	for len(data) > 0 {
		n, err := w.Write(data[:min(piece, len(data))])
		if err != nil || n != min(piece, len(data)) {
			t.Fatalf("%d written: %v", n, err)
		}
		data = data[n:]
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return text.String()
}

func unarmor(r io.Reader) ([]byte, bool, error) {
	src, armored, err := format.Unarmored(r)
	if err != nil {
		return nil, armored, err
	}
	data, err := io.ReadAll(src)
	return data, armored, err
}

func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*7 + i>>8)
	}
	return b
}

// Armor is what package pem writes, and is read again, whatever the pieces it comes in.
func TestArmorRoundTrip(t *testing.T) {
	sizes := []int{0, 1, 2, 3, 46, 47, 48, 49, 95, 96, 97, 1000, 48 * 1024, 48*1024 + 1, 200_001}
	for _, size := range sizes {
		data := pattern(size)
		want := string(pem.EncodeToMemory(&pem.Block{Type: "ENVSEAL FILE", Bytes: data}))
		for _, piece := range []int{1, 47, 48, 50, 65536, 1 << 20} {
			if got := armor(t, data, piece); got != want {
				t.Fatalf("%d bytes in pieces of %d: not what package pem writes", size, piece)
			}
		}
		if n := format.ArmoredSize(int64(size)); n != int64(len(want)) {
			t.Errorf("ArmoredSize(%d) = %d, it is %d", size, n, len(want))
		}
		for _, text := range []string{want, strings.ReplaceAll(want, "\n", "\r\n"),
			strings.TrimSuffix(want, "\n")} {
			for _, r := range []io.Reader{strings.NewReader(text),
				iotest.OneByteReader(strings.NewReader(text)), iotest.DataErrReader(strings.NewReader(text))} {
				got, armored, err := unarmor(r)
				if err != nil || !armored || !bytes.Equal(got, data) {
					t.Fatalf("%d bytes: %d came back, armored %v: %v", size, len(got), armored, err)
				}
			}
		}
	}
}

func TestArmorWriterKeepsItsError(t *testing.T) {
	broken := errors.New("broken")
	w := format.NewArmorWriter(failing{broken})
	if _, err := w.Write(pattern(100)); err != broken {
		t.Errorf("Write: %v", err)
	}
	if err := w.Close(); err != broken {
		t.Errorf("Close: %v", err)
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

// What is no armor passes as it is.
func TestUnarmoredLeavesTheRest(t *testing.T) {
	for _, text := range []string{"", "e", "envseal\x01 and more", "\n" + beginLine} {
		got, armored, err := unarmor(iotest.OneByteReader(strings.NewReader(text)))
		if err != nil || armored || string(got) != text {
			t.Errorf("%q came back as %q, armored %v: %v", text, got, armored, err)
		}
	}
}

// Every cut is truncation, unless it takes the last line feed only. What came out before is a
// prefix of the data, in whole lines.
func TestArmorCut(t *testing.T) {
	data := pattern(48*3 + 10)
	text := armor(t, data, 48)
	for n := 1; n < len(text)-1; n++ {
		got, _, err := unarmor(strings.NewReader(text[:n]))
		if !errors.Is(err, format.ErrTruncated) {
			t.Errorf("cut to %d of %d bytes: %v", n, len(text), err)
		}
		if !bytes.HasPrefix(data, got) {
			t.Errorf("cut to %d: %d foreign bytes", n, len(got))
		}
	}
}

func TestArmorIsStrict(t *testing.T) {
	full := strings.Repeat("QUJD", 16) + "\n"
	for name, c := range map[string]struct {
		text string
		want error
	}{
		"foreign PEM":         {"-----BEGIN CERTIFICATE-----\n" + full, format.ErrNotEnvseal},
		"a hyphen":            {"-", format.ErrTruncated},
		"hyphens":             {"--- a/file\n", format.ErrNotEnvseal},
		"hyphens, one line":   {strings.Repeat("-", 100000), format.ErrNotEnvseal},
		"space behind BEGIN":  {"-----BEGIN ENVSEAL FILE----- \n" + endLine, format.ErrNotEnvseal},
		"headers":             {beginLine + "Comment: no\n\n" + full + endLine, format.ErrDamaged},
		"empty line":          {beginLine + full + "\n" + endLine, format.ErrDamaged},
		"long line":           {beginLine + "QUJD" + full + endLine, format.ErrDamaged},
		"endless line":        {beginLine + strings.Repeat("QUJD", 100000), format.ErrDamaged},
		"short line inside":   {beginLine + "QUJD\n" + full + endLine, format.ErrDamaged},
		"padding inside":      {beginLine + "QUI=\n" + full + endLine, format.ErrDamaged},
		"padding in the line": {beginLine + "QUI=QUJD\n" + endLine, format.ErrDamaged},
		"no padding":          {beginLine + "QUI\n" + endLine, format.ErrDamaged},
		"too much padding":    {beginLine + "Q===\n" + endLine, format.ErrDamaged},
		"padding alone":       {beginLine + "====\n" + endLine, format.ErrDamaged},
		"bits in the padding": {beginLine + "QUJ=\n" + endLine, format.ErrDamaged},
		"a space":             {beginLine + "QU D\n" + endLine, format.ErrDamaged},
		"carriage returns":    {beginLine + "QUJD\r\r\r\r\n" + endLine, format.ErrDamaged},
		"a carriage return":   {beginLine + "QUJ\r\r\n" + endLine, format.ErrDamaged},
		"a NUL":               {beginLine + "QUJ\x00\n" + endLine, format.ErrDamaged},
		"URL alphabet":        {beginLine + "QU_-\n" + endLine, format.ErrDamaged},
		"text behind END":     {beginLine + full + endLine + "x", format.ErrDamaged},
		"a line behind END":   {beginLine + full + endLine + "\n", format.ErrDamaged},
		"two armored files": {beginLine + full + endLine + beginLine + full + endLine,
			format.ErrDamaged},
		"BEGIN twice":          {beginLine + beginLine + full + endLine, format.ErrDamaged},
		"END indented":         {beginLine + full + " " + endLine, format.ErrDamaged},
		"no END":               {beginLine + full, format.ErrTruncated},
		"END without its tail": {beginLine + full + "-----END ENVSEAL FILE----", format.ErrTruncated},
		"half of a line end":   {beginLine + full + "-----END ENVSEAL FILE-----\r", format.ErrTruncated},
		"half of the first":    {"-----BEGIN ENVSEAL FILE-----\r", format.ErrTruncated},
	} {
		for _, r := range []io.Reader{strings.NewReader(c.text),
			iotest.OneByteReader(strings.NewReader(c.text))} {
			if _, _, err := unarmor(r); !errors.Is(err, c.want) {
				t.Errorf("%s: %v, want %v", name, err, c.want)
			}
			if _, _, err := unarmor(r); c.want == format.ErrDamaged && errors.Is(err, format.ErrTruncated) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

// A failure of the reader is not the end of the text, and comes behind what was good.
func TestArmorKeepsFailuresOfItsReader(t *testing.T) {
	text := armor(t, pattern(100), 100)
	for _, broken := range []error{errors.New("broken"), io.ErrUnexpectedEOF} {
		for _, n := range []int{0, 1, 29, 100, len(text)} {
			_, _, err := unarmor(io.MultiReader(strings.NewReader(text[:n]), iotest.ErrReader(broken)))
			if err != broken {
				t.Errorf("broken after %d bytes: %v", n, err)
			}
		}
	}
	if _, _, err := unarmor(silent{}); err != io.ErrNoProgress {
		t.Errorf("a reader that says nothing: %v", err)
	}
	_, _, err := unarmor(io.MultiReader(strings.NewReader("-"), silent{}))
	if err != io.ErrNoProgress {
		t.Errorf("a reader that stops: %v", err)
	}
}

type silent struct{}

func (silent) Read([]byte) (int, error) { return 0, nil }

// A line that has arrived is not held back.
func TestArmorPassesLinesOn(t *testing.T) {
	r, w := io.Pipe()
	defer w.Close()
	go io.WriteString(w, beginLine+strings.Repeat("QUJD", 16)+"\n"+"QUJD")
	src, _, err := format.Unarmored(r)
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 100)
	if n, err := src.Read(b); n != 48 || err != nil {
		t.Errorf("%d bytes: %v", n, err)
	}
}

// The memory is the same for any length.
func TestArmorMemory(t *testing.T) {
	text := armor(t, pattern(1<<20), 1<<16)
	allocs := testing.AllocsPerRun(5, func() {
		src, _, err := format.Unarmored(strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(struct{ io.Writer }{io.Discard}, src); err != nil {
			t.Fatal(err)
		}
	})
	if allocs > 10 {
		t.Errorf("%v allocations for 1 MiB", allocs)
	}
}

// FuzzArmor: armor that is read and written again is the same text, but for carriage returns and
// the last line feed. Anything can be written and read again.
func FuzzArmor(f *testing.F) {
	for _, n := range []int{0, 1, 48, 50, 5000} {
		text := armor(f, pattern(n), 100)
		if _, _, err := unarmor(strings.NewReader(text)); err != nil {
			f.Fatal(err)
		}
		f.Add([]byte(text))
		f.Add([]byte(strings.ReplaceAll(text, "\n", "\r\n")))
		f.Add(pattern(n))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		again, armored, err := unarmor(strings.NewReader(armor(t, b, 1000)))
		if err != nil || !armored || !bytes.Equal(again, b) {
			t.Fatalf("written and read again: %v", err)
		}
		data, armored, err := unarmor(bytes.NewReader(b))
		slow, _, slowErr := unarmor(iotest.OneByteReader(bytes.NewReader(b)))
		if !bytes.Equal(data, slow) || (err == nil) != (slowErr == nil) {
			t.Fatalf("it matters how the text arrives: %d bytes, %v; %d bytes, %v",
				len(data), err, len(slow), slowErr)
		}
		if err != nil || !armored {
			return
		}
		text := strings.ReplaceAll(string(b), "\r\n", "\n")
		if !strings.HasSuffix(text, "\n") {
			text += "\n"
		}
		if armor(t, data, 1000) != text {
			t.Fatalf("%q was accepted", b)
		}
	})
}

func BenchmarkUnarmored(b *testing.B) {
	text := armor(b, pattern(1<<20), 1<<16)
	b.SetBytes(1 << 20)
	for b.Loop() {
		src, _, _ := format.Unarmored(strings.NewReader(text))
		if n, err := io.Copy(struct{ io.Writer }{io.Discard}, src); n != 1<<20 || err != nil {
			b.Fatal(n, err)
		}
	}
}

func BenchmarkArmorWriter(b *testing.B) {
	data := pattern(1 << 20)
	b.SetBytes(1 << 20)
	for b.Loop() {
		w := format.NewArmorWriter(io.Discard)
		if _, err := w.Write(data); err != nil {
			b.Fatal(err)
		}
		_ = w.Close()
	}
}

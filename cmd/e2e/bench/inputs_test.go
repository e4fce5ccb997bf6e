//go:build bench

package bench

import (
	"archive/tar"
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// randomData is the same in every run, and no compression makes it smaller.
func randomData() io.Reader {
	return rand.NewChaCha8([32]byte([]byte("envseal bench: the same data, on")))
}

// file makes an input of n bytes from r.
func (b *bench) file(n int64, r io.Reader) string {
	b.t.Helper()
	path := b.fresh("in")
	f, err := os.Create(path)
	if err != nil {
		b.t.Fatal(err)
	}
	_, err = io.CopyBuffer(struct{ io.Writer }{f}, io.LimitReader(r, n), make([]byte, mib))
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		b.t.Fatal(err)
	}
	return path
}

// zeros never ends.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// warm reads files, so that they are in the page cache.
func (b *bench) warm(paths ...string) {
	b.t.Helper()
	for _, path := range paths {
		f, err := os.Open(path)
		if err != nil {
			b.t.Fatal(err)
		}
		_, err = io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{f}, make([]byte, mib))
		if err != nil {
			b.t.Fatal(err)
		}
		f.Close()
	}
}

// same is nil if two files have the same content.
func same(want, got string) error {
	a, err := os.Open(want)
	if err != nil {
		return err
	}
	defer a.Close()
	z, err := os.Open(got)
	if errors.Is(err, fs.ErrNotExist) {
		return errors.New("it makes no output")
	}
	if err != nil {
		return err
	}
	defer z.Close()
	left, right := make([]byte, mib), make([]byte, mib)
	for {
		n, err1 := io.ReadFull(a, left)
		m, err2 := io.ReadFull(z, right)
		if n != m || !bytes.Equal(left[:n], right[:m]) {
			return errors.New("it does not give back what it sealed")
		}
		if err1 != nil || err2 != nil {
			return unexpected(err1, err2)
		}
	}
}

// unexpected is the first error that is not the end of a file.
func unexpected(all ...error) error {
	for _, err := range all {
		if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return err
		}
	}
	return nil
}

// sourceTar is a tar of Go's sources and of the modules in the module cache, at most limit bytes:
// text like that of people, in files of all sizes.
func (b *bench) sourceTar(limit int64) string {
	b.t.Helper()
	out, err := exec.Command(b.tools["go"], "env", "GOROOT", "GOMODCACHE").Output()
	if err != nil {
		b.t.Fatal(err)
	}
	path := b.fresh("in")
	f, err := os.Create(path)
	if err != nil {
		b.t.Fatal(err)
	}
	defer f.Close()
	buffered := bufio.NewWriterSize(f, int(mib))
	archive := tar.NewWriter(buffered)
	places := strings.Fields(string(out))
	for _, dir := range []string{filepath.Join(places[0], "src"), places[1]} {
		if err = addSources(archive, dir, &limit); err != nil {
			b.t.Fatal(err)
		}
	}
	if err = errors.Join(archive.Close(), buffered.Flush(), f.Close()); err != nil {
		b.t.Fatal(err)
	}
	return path
}

// addSources adds the regular files below dir, but not the compressed ones of the module cache,
// until limit bytes are spent.
func addSources(archive *tar.Writer, dir string, limit *int64) error {
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && path == filepath.Join(dir, "cache") {
			return fs.SkipDir
		}
		if !entry.Type().IsRegular() {
			return nil
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if *limit -= int64(len(content)) + 1024; *limit < 0 {
			return fs.SkipAll
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		err = archive.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(content))})
		if err != nil {
			return err
		}
		_, err = archive.Write(content)
		return err
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil // no module cache
	}
	return err
}

// tree makes files of 4 KiB of random data, a hundred in a directory.
func (b *bench) tree(files int) string {
	b.t.Helper()
	root := b.fresh("tree")
	data, content := randomData(), make([]byte, 4*kib)
	for i := range files {
		dir := filepath.Join(root, fmt.Sprintf("%03d", i/100))
		if i%100 == 0 {
			if err := os.MkdirAll(dir, 0o755); err != nil {
				b.t.Fatal(err)
			}
		}
		if _, err := io.ReadFull(data, content); err != nil {
			b.t.Fatal(err)
		}
		err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%02d.dat", i%100)), content, 0o644)
		if err != nil {
			b.t.Fatal(err)
		}
	}
	return root
}

// sameTree is nil if a directory has all files of another with the same content, and no more.
func sameTree(want, got string) error {
	count := func(root string, visit func(path string) error) (n int, err error) {
		err = filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			n++
			return visit(path)
		})
		return n, err
	}
	n, err := count(want, func(path string) error {
		name, err := filepath.Rel(want, path)
		if err != nil {
			return err
		}
		return same(path, filepath.Join(got, name))
	})
	if err != nil {
		return err
	}
	m, err := count(got, func(string) error { return nil })
	if err == nil && (n != m || n == 0) {
		err = fmt.Errorf("%d files instead of %d", m, n)
	}
	return err
}

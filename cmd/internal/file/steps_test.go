package file

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/envseal/envseal/cmd/internal/exit"
	"github.com/envseal/envseal/cmd/internal/testkit"
)

func mustOpenDir(t *testing.T, path string) *Dir {
	t.Helper()
	dir, err := OpenDir(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dir.Close() })
	return dir
}

// One of many files is staged with others, and gets its name later.
func TestStepsOfManyFiles(t *testing.T) {
	bothWays(t, func(t *testing.T, named bool) {
		path := t.TempDir()
		dir := mustOpenDir(t, path)
		dir.named.Store(named)
		when := time.Date(2001, 2, 3, 4, 5, 6, 7, time.UTC)
		o := Options{Perm: 0o666, ModTime: when, Together: true}
		one, two := dir.NewOutput("one", "one", o), dir.NewOutput("two", "two", o)
		for _, out := range []*Output{one, two} {
			if err := out.CheckName(); err != nil {
				t.Fatal(err)
			}
			if err := out.Start(); err != nil {
				t.Fatal(err)
			}
			mustWrite(t, out, "text")
			if err := out.Finish(); err != nil {
				t.Fatal(err)
			}
			if err := out.Sync(true); err != nil {
				t.Fatal(err)
			}
		}
		testkit.WriteFile(t, filepath.Join(path, "two"), "somebody else's")
		if replaced, err := one.Publish(); replaced || err != nil {
			t.Errorf("%v, %v", replaced, err)
		}
		_, err := two.Publish()
		testkit.WantCode(t, two.Failure(err), exit.Output, "two: exists already")
		for _, out := range []*Output{one, two} {
			out.Abort()
			out.Abort()
		}
		testkit.WantFiles(t, path, map[string]string{"one": "text", "two": "somebody else's"})
		if st, err := dir.Look("one", false); err != nil || st.Mode != 0o666 || !st.ModTime.Equal(when) {
			t.Errorf("%v %v %v", st.Mode, st.ModTime, err)
		}
		if st, err := dir.Stat(); err != nil || !st.Mode.IsDir() {
			t.Errorf("the directory was closed: %v", err)
		}
		testkit.WantCode(t, dir.NewOutput("one", "one", o).CheckName(),
			exit.Output, "one: exists already")
		o.Force = true
		if err := dir.NewOutput("one", "one", o).CheckName(); err != nil {
			t.Error(err)
		}
	})
}

// An output that has ended writes nowhere, though its descriptor may be another file's by then.
func TestEndedOutputWritesNowhere(t *testing.T) {
	dir := t.TempDir()
	out := mustCreate(t, false, filepath.Join(dir, "out"), Options{Perm: 0o600})
	out.Abort()
	other, err := os.Create(filepath.Join(dir, "other"))
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if _, err := out.Write([]byte("x")); exit.Code(err) != exit.Output {
		t.Errorf("Write: %v", err)
	}
	if _, err := out.WriteAt([]byte("x"), 0); exit.Code(err) != exit.Output {
		t.Errorf("WriteAt: %v", err)
	}
	out.Abort()
	if _, err := other.WriteString("own"); err != nil {
		t.Errorf("somebody else's descriptor was closed: %v", err)
	}
	testkit.WantFiles(t, dir, map[string]string{"other": "own"})
}

func TestPair(t *testing.T) {
	for _, c := range []struct {
		name string
		then func(t *testing.T, dir string) // before Commit
		err  string
		want map[string]string
	}{
		{"both", func(*testing.T, string) {}, "", map[string]string{"pay": "payload", "head": "header"}},
		{"a header that is there", func(t *testing.T, dir string) {
			testkit.WriteFile(t, filepath.Join(dir, "head"), "precious")
		}, "head: exists already", map[string]string{"head": "precious"}},
		{"no place for the payload", func(t *testing.T, dir string) {
			if err := os.Mkdir(filepath.Join(dir, "pay"), 0o700); err != nil {
				t.Fatal(err)
			}
		}, "pay: is a directory", map[string]string{"pay": ""}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			header := mustCreate(t, false, filepath.Join(dir, "head"), Options{Perm: 0o600})
			payload := mustCreate(t, false, filepath.Join(dir, "pay"), Options{Perm: 0o600, Force: true})
			mustWrite(t, header, "header")
			mustWrite(t, payload, "payload")
			c.then(t, dir)
			both := NewPair(payload, header)
			err := both.Commit()
			both.Abort()
			both.Abort()
			if c.err != "" {
				testkit.WantCode(t, err, exit.Output, c.err)
			} else if err != nil {
				t.Error(err)
			}
			testkit.WantFiles(t, dir, c.want)
		})
	}
	dir := t.TempDir()
	header := mustCreate(t, false, filepath.Join(dir, "one"), Options{Perm: 0o600})
	payload := mustCreate(t, false, filepath.Join(dir, "one"), Options{Perm: 0o600, Force: true})
	testkit.WantCode(t, NewPair(payload, header).Commit(), exit.Output, "one: is the header as well")
	payload.Abort()
	testkit.WantFiles(t, dir, nil)
}

func TestReadWhole(t *testing.T) {
	for _, c := range []struct {
		text, then string // what the file has when it is opened, and when it is read
		want       error
		code       int
	}{
		{"text", "text", nil, 0}, {"", "", nil, 0},
		{"text", "longer text", nil, exit.Other}, {"text", "te", nil, exit.Other},
		{"", "text", ErrMadeUp, 0}, // as far as anybody can tell
	} {
		path := testkit.WriteFile(t, filepath.Join(t.TempDir(), "in"), c.text)
		in, err := mustOpenDir(t, filepath.Dir(path)).OpenFile("in", path, false)
		if err != nil {
			t.Fatal(err)
		}
		defer in.Close()
		if c.text != c.then {
			testkit.WriteFile(t, path, c.then)
		}
		b, err := in.ReadWhole(make([]byte, in.Size+1))
		switch {
		case c.want != nil && err == c.want, c.code != 0 && exit.Code(err) == c.code:
		case c.want != nil || c.code != 0 || err != nil || string(b) != c.text:
			t.Errorf("%q, then %q: %q, %v", c.text, c.then, b, err)
		}
	}
}

func TestSplitName(t *testing.T) {
	for path, want := range map[string][2]string{
		"f": {".", "f"}, "d/f": {"d/", "f"}, "/f": {"/", "f"}, "d/": {"d/", ""},
		"/": {"/", ""}, "": {".", ""},
		".": {".", ""}, "..": {"..", ""}, "d/..": {"d/..", ""}, "d/.": {"d/.", ""}, "...": {".", "..."},
	} {
		if parent, name := SplitName(path); parent != want[0] || name != want[1] {
			t.Errorf("%q: %q, %q", path, parent, name)
		}
	}
}

func TestDirectory(t *testing.T) {
	path := t.TempDir()
	dir := mustOpenDir(t, path)
	for range 2 { // each time from the beginning
		n := 0
		for range dir.Journals() {
			n++
		}
		if n > 0 {
			t.Error("a journal in an empty directory")
		}
	}
	testkit.WriteFile(t, filepath.Join(path, ".envseal-x.journal"), "x")
	testkit.WriteFile(t, filepath.Join(path, ".envseal-x.tmp"), "x")
	for name := range dir.Journals() {
		if name != ".envseal-x.journal" {
			t.Errorf("%s is a journal", name)
		}
	}
	dir.Sweep()
	testkit.WantFiles(t, path, map[string]string{".envseal-x.journal": "x"})
	if err := dir.MakeLink("there", "link", false); err != nil {
		t.Fatal(err)
	}
	if err := dir.MakeLink("elsewhere", "link", false); !os.IsExist(err) {
		t.Errorf("a second link: %v", err)
	}
	if err := dir.MakeLink("elsewhere", "link", true); err != nil {
		t.Error(err)
	}
	if to, err := dir.ReadLink("link"); to != "elsewhere" || err != nil {
		t.Errorf("%q, %v", to, err)
	}
	if _, err := dir.OpenToChange("link"); err == nil {
		t.Error("a link was followed")
	}
	if _, err := dir.CreateNew("link"); !os.IsExist(err) {
		t.Errorf("CreateNew: %v", err)
	}
	if err := dir.Sync(); err != nil {
		t.Error(err)
	}
}

func TestGuard(t *testing.T) {
	dir := t.TempDir()
	key, link := testkit.WriteFile(t, filepath.Join(dir, "key"), "x"), filepath.Join(dir, "link")
	if err := os.Symlink("key", link); err != nil {
		t.Fatal(err)
	}
	needed := []Needed{{link, "the key"}, {"", "nothing"}, {"-", "stdin"},
		{filepath.Join(dir, "absent"), "not there"}}
	guarded := Guard(needed)
	for _, target := range []string{key, link} {
		_, err := Create(target, Options{Force: true, Inputs: guarded})
		testkit.WantCode(t, err, exit.Output, "is the key as well")
	}
	if len(guarded) != 2 {
		t.Errorf("%d guarded files", len(guarded))
	}
}

package ui

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func TestTreeLine(t *testing.T) {
	most := snapshot{name: "a/directory/日本語の長い名前のファイル.tar.gz",
		done: 1 << 50, total: 1 << 52, elapsed: time.Hour,
		files: &fileCounts{done: 123456789, failed: 1234567, total: 1234567890}}
	for _, c := range []struct {
		columns int
		s       snapshot
		want    string
	}{
		{100, snapshot{name: "d/name", done: 20 << 20, total: 40 << 20,
			elapsed: 10 * time.Second, files: &fileCounts{done: 5000, total: 10000}},
			" 50% [=========>          ] 5000/10000 files, 20 MiB/40 MiB, 2.0 MiB/s 10s  name"},
		{80, snapshot{name: "d/a-long-name.tar.gz", done: 20 << 20, total: 40 << 20,
			elapsed: 10 * time.Second, files: &fileCounts{done: 5000, total: 10000}},
			" 50% [==>   ] 5000/10000 files, 20 MiB/40 MiB, 2.0 MiB/s 10s  a-long-name.tar.gz"},
		{64, snapshot{name: "d/name", done: 20 << 20, total: 40 << 20, elapsed: 10 * time.Second,
			files: &fileCounts{done: 5000, total: 10000, failed: 3}},
			" 50% [==>   ] 5000/10000 files, 20 MiB/40 MiB, 2.0 MiB/s 10s 3 f"},
		{40, snapshot{name: "d/name", done: 20 << 20, total: 40 << 20, elapsed: 10 * time.Second,
			files: &fileCounts{done: 5000, total: 10000, failed: 3}}, " 50% [==>   ] 5000/10000 10s 3 failed"},
		{40, snapshot{name: "d/name", done: 20 << 20, total: -1, elapsed: 10 * time.Second,
			files: &fileCounts{done: 5000, total: -1}}, "5000 files, 20 MiB, 2.0 MiB/s"},
		{40, snapshot{name: "files", total: -1, files: &fileCounts{total: -1}}, "0 files, 0 B, 0 B/s"},
		{40, snapshot{name: "files", files: &fileCounts{}}, "0% [      ] 0/0"},
	} {
		if got := treeLine(c.s, c.columns); strings.TrimSpace(got) != strings.TrimSpace(c.want) {
			t.Errorf("%d columns: %q, want %q", c.columns, got, c.want)
		}
	}
	for columns := 1; columns < 200; columns++ {
		for _, total := range []int64{most.total, -1} {
			s := most
			s.total = total
			if got := treeLine(s, columns); utf8.RuneCountInString(got) > columns-1 {
				t.Errorf("%d columns: %q", columns, got)
			}
		}
	}
}

// The time that is left counts small files by their number and large ones by their bytes.
func TestTreeETA(t *testing.T) {
	for _, c := range []struct {
		done, total, files, allFiles int64
		want                         time.Duration
	}{
		{4000, 8000, 1000, 2000, 10 * time.Second},       // all small: half of the files
		{1 << 30, 4 << 30, 1, 4, 30 * time.Second},       // all large
		{0, 1 << 40, 0, 10, -1},                          // nothing known yet
		{1 << 30, 1 << 30, 10, 10, 0},                    // done
		{1000, 1<<30 + 1000, 1, 2, 163858 * time.Second}, // the large one comes last
	} {
		s := snapshot{done: c.done, total: c.total, elapsed: 10 * time.Second,
			files: &fileCounts{done: c.files, total: c.allFiles}}
		left, ok := s.left()
		if ok != (c.want >= 0) || ok && (left < c.want*95/100 || left > c.want*105/100) {
			t.Errorf("%+v: %v, %v", c, left, ok)
		}
	}
}

// What is skipped leaves the totals, so that an update of little shows how little there is.
func TestTreeProgressCounts(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	p := start(f, Lines, "files", -1, false, newFileCount())
	p.SetTotals(10, 1000)
	p.SkipFile(400)
	p.Add(150)
	p.FileDone()
	p.FileDone()
	p.Fail()
	got := p.snapshot().String()
	if !strings.HasPrefix(got, "2 of 9 files, 150 B of 600 B (25 %), ") ||
		!strings.HasSuffix(got, ", 1 failed") {
		t.Errorf("snapshot %q", got)
	}
	p.report()
	p.Finish(errors.New("1 of 9 files failed"))
	text, err := os.ReadFile(f.Name())
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	var last struct {
		Event               string
		Bytes, Total, Files int64
		FilesTotal          int64 `json:"files_total"`
		FilesFailed         int64 `json:"files_failed"`
		Error               string
	}
	err = json.Unmarshal([]byte(lines[len(lines)-1]), &last)
	if err != nil || last.Event != "failed" || last.Files != 2 || last.FilesTotal != 9 ||
		last.FilesFailed != 1 || last.Bytes != 150 || last.Total != 600 || last.Error == "" {
		t.Errorf("%v: %s", err, text)
	}
	if !strings.HasPrefix(lines[0], "envseal: files: 2 of 9 files, ") {
		t.Errorf("SIGUSR1: %q", lines[0])
	}
}

package keystore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"time"
)

const (
	lockSuffix     = ".lock"
	tempSuffix     = ".tmp"
	identitySuffix = ".identity"

	maxFile  = 64 << 20 // bytes; far beyond what the limits on keys allow
	lockWait = 10 * time.Second
)

// stamp tells one version of the file from the next. It keeps the file open, so that its inode
// number is not given to a successor.
type stamp struct {
	info os.FileInfo
	file *os.File // nil on Windows, where an open file cannot be replaced
}

func (s stamp) matches(info os.FileInfo) bool {
	return os.SameFile(s.info, info) && s.info.Size() == info.Size() &&
		s.info.ModTime().Equal(info.ModTime())
}

func (s stamp) close() {
	if s.file != nil {
		s.file.Close()
	}
}

// readFile reads the whole file. The caller owes the stamp's close.
func readFile(path string) ([]byte, stamp, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, stamp{}, fmt.Errorf("%s: %w", path, ErrNoKeystore)
	}
	if err != nil {
		return nil, stamp{}, err
	}
	info, err := f.Stat()
	switch {
	case err != nil:
	case !info.Mode().IsRegular():
		err = fmt.Errorf("%s: %w: not a regular file", path, ErrNotKeystore)
	case info.Size() > maxFile:
		err = fmt.Errorf("%s: %w: larger than any", path, ErrNotKeystore)
	}
	var raw []byte
	if err == nil {
		raw = make([]byte, info.Size())
		_, err = io.ReadFull(f, raw)
	}
	if err != nil {
		f.Close()
		return nil, stamp{}, err
	}
	return raw, newStamp(f, info), nil
}

func newStamp(f *os.File, info os.FileInfo) stamp {
	if runtime.GOOS == "windows" {
		f.Close()
		f = nil
	}
	return stamp{info: info, file: f}
}

// replaceFile puts content in the place of the file, so that a crash at any moment leaves the old
// or the new one. The caller holds the lock, which makes the temporary name its own; a temporary
// file left by a crash is removed. A stamp beside the error tells that content is in place, but
// that a crash may still bring the old file back. Errors wrap ErrWrite.
func replaceFile(path string, content []byte) (s stamp, err error) {
	defer func() {
		if err != nil {
			err = cannotWrite(path, err)
		}
	}()
	temp := path + tempSuffix
	if err := os.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return stamp{}, err
	}
	f, err := writeNew(temp, content)
	if err != nil {
		return stamp{}, err
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		os.Remove(temp)
		return stamp{}, err
	}
	s = newStamp(f, info)
	if err := os.Rename(temp, path); err != nil {
		s.close()
		os.Remove(temp)
		return stamp{}, err
	}
	return s, syncDir(filepath.Dir(path))
}

// writeNew makes a file of mode 0600 that must not exist, syncs it and leaves it open. It leaves
// nothing behind on failure.
func writeNew(path string, content []byte) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	if _, err = f.Write(content); err == nil {
		err = f.Sync()
	}
	if err != nil {
		f.Close()
		os.Remove(path)
		return nil, err
	}
	return f, nil
}

func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// lockFile takes the exclusive lock that belongs to the keystore at path. It waits for at most
// lockWait or until ctx ends.
func lockFile(ctx context.Context, path string) (unlock func(), err error) {
	f, err := os.OpenFile(path+lockSuffix, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, cannotWrite(path, err)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, lockWait, fmt.Errorf("%s: %w", path, ErrLocked))
	defer cancel()
	for pause := time.Millisecond; ; pause = min(2*pause, 50*time.Millisecond) {
		held, err := tryLock(f)
		if err != nil {
			f.Close()
			return nil, err
		}
		if held {
			return func() { f.Close() }, nil // closing gives the lock back
		}
		select {
		case <-ctx.Done():
			f.Close()
			return nil, context.Cause(ctx)
		case <-time.After(pause):
		}
	}
}

package inplace

import (
	"bufio"
	"io"

	"github.com/envseal/envseal/cmd/internal/file"
	"github.com/envseal/envseal/format"
)

// OpenSealed opens a sealed file to be looked at. src reads it from its beginning, with the header
// from the journal where an interrupted rewrap has torn its own. The caller closes in.
func OpenSealed(name string) (in *file.Input, src *bufio.Reader, err error) {
	if in, err = file.Open(name); err != nil {
		return nil, nil, err
	}
	if err := UseJournal(in); err != nil {
		in.Close()
		return nil, nil, err
	}
	return in, bufio.NewReader(in), nil
}

// ReadHeader reads the header of a sealed file from its beginning, and tells whether the file is
// armored.
func ReadHeader(src io.Reader, limits format.Limits) (h *format.Header, armored bool, err error) {
	if src, armored, err = format.Unarmored(src); err != nil {
		return nil, false, err
	}
	h, err = format.ReadHeader(src, limits)
	return h, armored, err
}

package format_test

import (
	"encoding/base64"
	"fmt"
	"strings"
)

// armorBySpec gives the sealed file in an armored text.
func armorBySpec(text string) ([]byte, error) {
	var lines []string
	for line := range strings.SplitAfterSeq(text, "\n") {
		bare, ended := strings.CutSuffix(line, "\n")
		if ended {
			bare = strings.TrimSuffix(bare, "\r")
		}
		lines = append(lines, bare)
	}
	const begin, end = "-----BEGIN ENVSEAL FILE-----", "-----END ENVSEAL FILE-----"
	switch {
	case lines[0] != begin &&
		(len(lines) > 1 || !strings.HasPrefix(begin, strings.TrimSuffix(lines[0], "\r"))):
		return nil, errForeign
	case len(lines) > 1 && lines[len(lines)-1] == "": // behind the line end of the END line
		lines = lines[:len(lines)-1]
	}
	if len(lines) < 2 || lines[len(lines)-1] != end {
		return nil, fmt.Errorf("%w: no END line", errRefused)
	}
	file := []byte{}
	body := lines[1 : len(lines)-1]
	for i, line := range body {
		full := i < len(body)-1
		if full && len(line) != 64 || len(line) == 0 || len(line) > 64 ||
			full && strings.HasSuffix(line, "=") || strings.ContainsAny(line, "\r\n") {
			return nil, fmt.Errorf("%w: line %d of the armor", errRefused, i+2)
		}
		b, err := base64.StdEncoding.Strict().DecodeString(line)
		if err != nil {
			return nil, fmt.Errorf("%w: line %d of the armor", errRefused, i+2)
		}
		file = append(file, b...)
	}
	return file, nil
}

package ui

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// LettersAndDigits are those of ASCII.
const LettersAndDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

// ConsistsOf tells whether s has no characters but those of set.
func ConsistsOf(s, set string) bool { return strings.Trim(s, set) == "" }

// ShellWord is s as a shell reads it back.
func ShellWord(s string) string {
	if s != "" && ConsistsOf(s, LettersAndDigits+"-_./:=,@%+") {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// Shown is name as it may stand in a message: quoted if it holds anything that could move the
// cursor of a terminal.
func Shown(name string) string {
	for _, r := range name {
		if !strconv.IsPrint(r) || r == '\uFFFD' {
			return strconv.Quote(name)
		}
	}
	return name
}

// ShownInput is [Shown] for the name of an input as it was typed, of which - is standard input.
func ShownInput(name string) string { return Shown(InputName(name)) }

// InputName is the name of an input as a log has it: exact, however it may look.
func InputName(name string) string {
	if name == "-" || name == "" {
		return "stdin"
	}
	return name
}

// Named puts the file before the reason, unless the reason begins with it.
func Named(name string, err error) error {
	if err == nil || strings.HasPrefix(err.Error(), ShownInput(name)+":") {
		return err
	}
	return fmt.Errorf("%s: %w", ShownInput(name), err)
}

// MostNamed is how many names of failed files the last line of a run has.
const MostNamed = 20

// Listed names the first few of so many.
func Listed(names []string, all int) string {
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = strconv.Quote(n)
	}
	s := strings.Join(quoted, ", ")
	if all > len(names) {
		s += fmt.Sprintf(" and %d more", all-len(names))
	}
	return s
}

// Plural is n things in words.
func Plural(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// AreFiles is "1 file is" or "2 files are".
func AreFiles(n int) string {
	if n == 1 {
		return "1 file is"
	}
	return Plural(n, "file") + " are"
}

// PlainText is s for a report, in quotes unless it reads the same in them.
func PlainText(s string) string {
	if q := strconv.Quote(s); q != `"`+s+`"` {
		return q
	}
	return s
}

// WriteIndented writes v as JSON for people and programs.
func WriteIndented(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// OneLine is joined errors on one line, each once. What came from outside (file names, key ids, a
// service's words) does not steer the terminal.
func OneLine(err error) string {
	var lines []string
	for line := range strings.SplitSeq(err.Error(), "\n") {
		// the first may have names before it
		said := func(other string) bool { return other == line || strings.HasSuffix(other, ": "+line) }
		if !slices.ContainsFunc(lines, said) {
			lines = append(lines, line)
		}
	}
	return Printable(strings.Join(lines, "; "))
}

// Printable escapes whatever does not simply print: control characters, and those that change the
// direction of what follows.
func Printable(s string) string {
	var b strings.Builder
	for _, r := range s {
		if strconv.IsPrint(r) {
			b.WriteRune(r)
			continue
		}
		b.WriteString(strings.Trim(strconv.QuoteRuneToASCII(r), "'"))
	}
	return b.String()
}

package cmd

import (
	"slices"
	"strconv"
	"strings"
)

// oneLine prints joined errors on one line, each once, and keeps what came from outside (file names, key ids, a service's words) from steering the terminal.
func oneLine(err error) string {
	var lines []string
	for line := range strings.SplitSeq(err.Error(), "\n") {
		said := func(other string) bool { return other == line || strings.HasSuffix(other, ": "+line) } // the first may have names before it
		if !slices.ContainsFunc(lines, said) {
			lines = append(lines, line)
		}
	}
	return printable(strings.Join(lines, "; "))
}

// printable escapes whatever does not simply print: control characters, and those that change the direction of what follows.
func printable(s string) string {
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

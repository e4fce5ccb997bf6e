package cmd

import (
	"regexp"
	"strconv"

	"github.com/urfave/cli/v2"
)

// valueError says what is wrong with the value of a flag, where err is the flag parser's way of saying so: that has -key for --key and -k alike, and is no help. It is nil for other
// errors. A flag whose value may be left out says in its error which values there are.
func valueError(c *cli.Context, err error) error {
	said := regexp.MustCompile(`(?s)^invalid (boolean )?value ("(?:[^"\\]|\\.)*") for (?:flag )?-([^:]+): (.*)$`).FindStringSubmatch(err.Error())
	if said == nil {
		return nil
	}
	value, flag, reason, help := said[2], dashes(said[3])+said[3], said[4], "try `"+helpFor(c)+"`"
	switch {
	case said[1] != "" && reason == parseError:
		return fail(exitUsage, help, "%s takes no value, %s is given", flag, value)
	case said[1] != "":
		if plain, err := strconv.Unquote(value); err == nil {
			value = plain
		}
		return fail(exitUsage, reason, "%s=%s: no such value", flag, shown(value))
	case reason == parseError:
		reason = "not a whole number"
	}
	return fail(exitUsage, help, "%s %s: %s", flag, value, reason)
}

// parseError is what the flag parser says of any value that it cannot read.
const parseError = "parse error"

package keys

import (
	"errors"
	"fmt"
	"strings"
)

// ParseShorthand reads k=v,k2=v2 as `aws` does (AWS CLI User Guide, shorthand syntax): a value may
// stand in single or double quotes, in which a backslash escapes the quote, and outside of quotes
// \, is a comma. Space around names and values does not count.
func ParseShorthand(text string) (map[string]string, error) {
	pairs := map[string]string{}
	for rest, more := text, true; more; {
		name, value, found := strings.Cut(rest, "=")
		name = strings.TrimSpace(name)
		if !found || name == "" || strings.Contains(name, ",") {
			return nil, fmt.Errorf("%q is not of the form key=value", rest)
		}
		if _, twice := pairs[name]; twice {
			return nil, fmt.Errorf("second instance of key %q encountered", name)
		}
		var err error
		if pairs[name], rest, more, err = cutValue(strings.TrimLeft(value, " \t")); err != nil {
			return nil, fmt.Errorf("value of %q: %w", name, err)
		}
	}
	return pairs, nil
}

// cutValue takes the value that s begins with; more tells whether a comma followed it.
func cutValue(s string) (value, rest string, more bool, err error) {
	switch {
	case s == "":
		return "", "", false, nil
	case s[0] == '"' || s[0] == '\'':
		return cutQuoted(s)
	case s[0] == '[' || s[0] == '{':
		return "", "", false, errors.New("a list or a structure stands where a string must")
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s) && s[i+1] == ',':
			i++
			b.WriteByte(',')
		case s[i] == ',':
			return strings.TrimRight(b.String(), " \t"), s[i+1:], true, nil
		default:
			b.WriteByte(s[i])
		}
	}
	return strings.TrimRight(b.String(), " \t"), "", false, nil
}

// cutQuoted is cutValue for a value in quotes.
func cutQuoted(s string) (value, rest string, more bool, err error) {
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s) && (s[i+1] == s[0] || s[i+1] == '\\'):
			i++
			b.WriteByte(s[i])
		case s[i] == s[0]:
			rest = strings.TrimLeft(s[i+1:], " \t")
			if rest != "" && rest[0] != ',' {
				return "", "", false, fmt.Errorf("%q follows the closing quote", rest)
			}
			rest, more = strings.CutPrefix(rest, ",")
			return b.String(), rest, more, nil
		default:
			b.WriteByte(s[i])
		}
	}
	return "", "", false, errors.New("the closing quote is missing")
}

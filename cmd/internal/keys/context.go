package keys

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/envseal/envseal/cmd/internal/exit"
	"github.com/envseal/envseal/cmd/internal/ui"
	"github.com/envseal/envseal/format"
)

// ErrHalfCharacter refuses JSON with half of a surrogate pair: what that stands for is lost in Go's
// strings, so that not even a key service can be asked about it.
var ErrHalfCharacter = errors.New(
	"an escape in it stands for half of a surrogate pair, which is no text")

// ContextHint says what to write instead of half a character, if that is why err refuses a context,
// and otherwise what the caller has to say.
func ContextHint(err error, otherwise string) string {
	if errors.Is(err, ErrHalfCharacter) {
		return `write the character itself, or both of its halves, as in "\ud83d\ude00"`
	}
	return otherwise
}

// ContextValues are the values of -c, or that of ENVSEAL_ENCRYPTION_CONTEXT where there are none.
func ContextValues(values []string) []string {
	return orVariable(values, "ENVSEAL_ENCRYPTION_CONTEXT")
}

// ContextOf is the encryption context of the values of -c, or that of ENVSEAL_ENCRYPTION_CONTEXT
// where there are none.
func ContextOf(values []string) (format.Context, error) {
	return parseContext(ContextValues(values))
}

// parseContext reads encryption contexts: k=v,k2=v2 or a JSON object or file://PATH with one.
// Several are joined; a key given twice with different values is an error, since nobody could tell
// which was meant.
func parseContext(args []string) (format.Context, error) {
	ec := format.Context{}
	for _, arg := range args {
		if arg == "" {
			continue // a variable of the environment that is set and empty
		}
		pairs, err := parseContextArg(arg)
		if err != nil {
			hint := ContextHint(err,
				`write -c app=web,env=prod, or -c '{"app":"web"}', or -c file://context.json`)
			return nil, exit.Errorf(exit.Usage, hint, "encryption context %s: %w", abridged(arg), err)
		}
		for k, v := range pairs {
			// The replacement character is what bytes that are no text have become: what was meant
			// is lost.
			if strings.ContainsRune(k+v, utf8.RuneError) {
				return nil, exit.Errorf(exit.Usage, "", "encryption context %s: "+
					"it is not UTF-8 text, or has U+FFFD in place of what was none", abridged(arg))
			}
			if old, ok := ec[k]; ok && old != v {
				return nil, exit.Errorf(exit.Usage, "",
					"encryption context: key %q is given as %q and as %q", k, old, v)
			}
			ec[k] = v
		}
	}
	if _, err := ec.AppendBinary(nil); err != nil {
		return nil, exit.Errorf(exit.Usage, "", "%w", err)
	}
	return ec, nil
}

func parseContextArg(arg string) (map[string]string, error) {
	text := arg
	if path, ok := strings.CutPrefix(arg, "file://"); ok {
		b, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		text = strings.TrimSpace(string(b))
	}
	if strings.HasPrefix(text, "{") {
		return ParseContextJSON(text)
	}
	pairs := map[string]string{}
	for part := range strings.SplitSeq(strings.TrimSpace(text), ",") {
		k, v, ok := strings.Cut(part, "=")
		if !ok || k == "" {
			return nil, fmt.Errorf("%q is not of the form key=value", part)
		}
		if old, ok := pairs[k]; ok && old != v {
			return nil, fmt.Errorf("key %q is given twice", k)
		}
		pairs[k] = v
	}
	return pairs, nil
}

// ParseContextJSON takes one JSON object of strings, and refuses what encoding/json would let pass:
// a key that comes twice, null, and half of a character (ErrHalfCharacter).
func ParseContextJSON(text string) (map[string]string, error) {
	if format.HasLoneSurrogate([]byte(text)) {
		return nil, ErrHalfCharacter
	}
	dec := json.NewDecoder(strings.NewReader(text))
	if _, err := dec.Token(); err != nil {
		return nil, err
	}
	pairs := map[string]string{}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return nil, err
		}
		k := key.(string) // the decoder allows nothing else here
		var v *string     // nil for null, which encoding/json would take for an empty string
		if err := dec.Decode(&v); err != nil || v == nil {
			return nil, fmt.Errorf("value of %q must be a string", k)
		}
		if _, ok := pairs[k]; ok {
			return nil, fmt.Errorf("key %q is given twice", k)
		}
		pairs[k] = *v
	}
	if _, err := dec.Token(); err != nil {
		return nil, err
	}
	if _, err := dec.Token(); err != io.EOF { // More does not see a closing bracket
		return nil, errors.New("something follows the JSON object")
	}
	return pairs, nil
}

// abridged quotes what may be long.
func abridged(s string) string {
	const most = 80
	if len(s) > most {
		return fmt.Sprintf("%q...", s[:most])
	}
	return fmt.Sprintf("%q", s)
}

// ContextText is a context for people: k=v, k2=v2 by the alphabet, or none. What could steer a
// terminal is quoted.
func ContextText(ec format.Context) string {
	if len(ec) == 0 {
		return "none"
	}
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(ec)) {
		parts = append(parts, ui.PlainText(k)+"="+ui.PlainText(ec[k]))
	}
	return strings.Join(parts, ", ")
}

// Requirements are the values of --require-context.
type Requirements []requirement

// requirement is a key, and its value unless any will do.
type requirement struct {
	key, value string
	any        bool
}

// ParseRequirements reads the values of --require-context: KEY or KEY=VALUE, with commas between
// several.
func ParseRequirements(args []string) (all Requirements, err error) {
	for _, arg := range args {
		for part := range strings.SplitSeq(arg, ",") {
			k, v, ok := strings.Cut(part, "=")
			if k == "" {
				return nil, exit.Errorf(exit.Usage,
					"write --require-context env=prod, or --require-context env",
					"required context %q has no key", arg)
			}
			all = append(all, requirement{key: k, value: v, any: !ok})
		}
	}
	return all, nil
}

// Check refuses a header whose encryption context lacks what is required. It has the form of
// envelope.OpenOptions.Check.
func (all Requirements) Check(h *format.Header) error {
	const hint = "`envseal inspect FILE` shows the context"
	for _, r := range all {
		v, ok := h.Context[r.key]
		switch {
		case !ok:
			return exit.Errorf(exit.Policy, hint, "encryption context has no %q", r.key)
		case !r.any && v != r.value:
			return exit.Errorf(exit.Policy, hint,
				"encryption context has %s=%q, required is %q", r.key, v, r.value)
		}
	}
	return nil
}

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

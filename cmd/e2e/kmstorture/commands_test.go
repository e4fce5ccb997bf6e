//go:build torture

package kmstorture

import "path/filepath"

// command is a command line of envseal that calls one KMS operation.
type command struct {
	name  string
	op    string   // that goes wrong
	first int      // calls of other operations that come before it
	files []string // of the fixture that it needs
	args  []string // with --debug it tells its attempts
	// done checks the result where the command succeeds; nil where nothing but the exit code can be
	// checked.
	done func(dir string) error
	// serve, where not nil, is used instead of the served keystore.
	serve func(faults string) (*service, error)
	// blind are the kinds of fault that no client can see in this command, damage those that look like
	// a damaged file: a private key has no length of its own.
	blind, damage []string
	// words: errors are worded as the aws command does it, which leaves it to the service to name the
	// key
	words bool
}

// The old target is in the folder as "old", and every command that writes one replaces it.
func commands() []command {
	a, b := fixture.keys[0], fixture.keys[1]
	opened := func(dir string) error { return isContent(filepath.Join(dir, "old")) }
	sealed := func(dir string) error { return opens(dir, "old") }
	return []command{
		{name: "encrypt", op: "GenerateDataKey", files: []string{content, "old"},
			args: []string{"encrypt", "-f", "-k", a, "-o", "old", content}, done: sealed,
			blind: []string{"wrongkey"}},
		{name: "encrypt for two", op: "Encrypt", first: 1, files: []string{content, "old"},
			args: []string{"encrypt", "-f", "-k", a, "-k", b, "-o", "old", content}, done: sealed},
		{name: "encrypt --data-key", op: "Decrypt", files: []string{content, "old", "jobs.datakey"},
			args: []string{"encrypt", "-f", "--data-key", "jobs.datakey", "-o", "old", content},
			done: sealed, blind: []string{"wrongkey"}},
		{name: "decrypt", op: "Decrypt", files: []string{"good", "old"},
			args: []string{"decrypt", "-f", "-o", "old", "good"}, done: opened},
		{name: "decrypt to stdout", op: "Decrypt", files: []string{"good"},
			args: []string{"decrypt", "-o", "-", "good"}},
		{name: "decrypt of a pair's file", op: "Decrypt", files: []string{"pairsealed", "old"},
			args: []string{"decrypt", "-f", "-o", "old", "pairsealed"}, done: opened,
			damage: []string{"short"}},
		{name: "verify", op: "Decrypt", files: []string{"good"}, args: []string{"verify", "good"}},
		{name: "rewrap", op: "ReEncrypt", files: []string{"good"},
			args: []string{"rewrap", "--to", b, "good"},
			done: func(dir string) error { return opens(dir, "good") }},
		{name: "rewrap of a pair's file", op: "ReEncrypt", files: []string{"pairsealed"},
			args: []string{"rewrap", "--to", b, "pairsealed"},
			done: func(dir string) error { return opens(dir, "pairsealed") }},
		{name: "rewrap --via-decrypt, Decrypt", op: "Decrypt", files: []string{"across"},
			args:  []string{"rewrap", "--via-decrypt", "--to", inRegion(b, otherRegion), "across"},
			serve: serveRegions},
		{name: "rewrap --via-decrypt, Encrypt", op: "Encrypt", first: 1, files: []string{"across"},
			args:  []string{"rewrap", "--via-decrypt", "--to", inRegion(b, otherRegion), "across"},
			serve: serveRegions},
		{name: "data-key", op: "GenerateDataKeyWithoutPlaintext", files: []string{"old"},
			args: []string{"data-key", "-f", "-k", a, "-o", "old"}},
		{name: "key-pair", op: "GenerateDataKeyPairWithoutPlaintext", files: []string{"old"},
			args: []string{"key-pair", "-f", "-k", a, "-o", "old"}},
		{name: "kms generate-data-key", op: "GenerateDataKey", files: []string{"old"},
			args: []string{"kms", "generate-data-key", "-f", "--key-id", a, "--key-spec", "AES_256",
				"--plaintext-out", "old"}, blind: []string{"wrongkey"}, words: true},
		{name: "kms decrypt", op: "Decrypt", files: []string{"blob", "old"}, args: []string{"kms",
			"decrypt", "-f", "--key-id", a, "--ciphertext-blob", "fileb://blob", "--plaintext-out", "old"},
			blind: []string{"wrongkey", "short"}, words: true},
	}
}

// some are the commands of these names.
func some(names ...string) []command {
	var list []command
	for _, c := range commands() {
		for _, name := range names {
			if c.name == name {
				list = append(list, c)
			}
		}
	}
	return list
}

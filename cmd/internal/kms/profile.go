package kms

import (
	"bufio"
	"cmp"
	"os"
	"path/filepath"
	"strings"
)

// readProfile gives the settings of a profile in the config file of the aws command, of which
// output and others are its own and not the SDK's. profile is that of --profile, or empty. A file
// that cannot be read counts as empty, as for `aws`, since the SDK reports it where it matters.
func readProfile(profile string) map[string]string {
	path := os.Getenv("AWS_CONFIG_FILE")
	if path == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return nil
		}
		path = filepath.Join(home, ".aws", "config")
	}
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	profile = cmp.Or(profile, os.Getenv("AWS_PROFILE"), os.Getenv("AWS_DEFAULT_PROFILE"), "default")
	return settingsOf(bufio.NewScanner(f), profile)
}

// settingsOf reads the lines of a config file: [default] or [profile NAME], then name = value.
// Indented lines belong to the setting above them.
func settingsOf(lines *bufio.Scanner, profile string) map[string]string {
	settings, within := map[string]string{}, false
	for lines.Scan() {
		line := lines.Text()
		trimmed := strings.TrimSpace(line)
		switch {
		case trimmed == "" || trimmed[0] == '#' || trimmed[0] == ';':
		case trimmed[0] == '[':
			title, _, _ := strings.Cut(trimmed[1:], "]")
			title = strings.Join(strings.Fields(strings.ReplaceAll(title, `"`, "")), " ")
			within = title == "profile "+profile || title == profile && profile == "default"
		case within && line[0] != ' ' && line[0] != '\t':
			if k, v, ok := strings.Cut(line, "="); ok {
				settings[strings.TrimSpace(k)] = strings.TrimSpace(v)
			}
		}
	}
	return settings
}

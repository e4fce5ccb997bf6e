package kms

import (
	"bufio"
	"cmp"
	"os"
	"path/filepath"
	"strings"
)

// profileSetting is a setting that the aws command itself, not the SDK, finds in the profile of its
// config file, such as output. profile is that of --profile, or empty. The setting is empty where
// there is none; a file that cannot be read counts as empty, as for `aws`, since the SDK reports it
// where it matters.
func profileSetting(profile, name string) string {
	path := os.Getenv("AWS_CONFIG_FILE")
	if path == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return ""
		}
		path = filepath.Join(home, ".aws", "config")
	}
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	profile = cmp.Or(profile, os.Getenv("AWS_PROFILE"), os.Getenv("AWS_DEFAULT_PROFILE"), "default")
	return settingOf(bufio.NewScanner(f), profile, name)
}

// settingOf reads the lines of a config file: [default] or [profile NAME], then name = value.
// Indented lines belong to the setting above them.
func settingOf(lines *bufio.Scanner, profile, name string) (value string) {
	within := false
	for lines.Scan() {
		line := lines.Text()
		trimmed := strings.TrimSpace(line)
		switch {
		case trimmed == "" || trimmed[0] == '#' || trimmed[0] == ';':
		case trimmed[0] == '[':
			title, _, _ := strings.Cut(trimmed[1:], "]")
			words := strings.Fields(strings.ReplaceAll(title, `"`, ""))
			within = len(words) == 2 && words[0] == "profile" && words[1] == profile ||
				len(words) == 1 && words[0] == "default" && profile == "default"
		case within && line[0] != ' ' && line[0] != '\t':
			if k, v, ok := strings.Cut(line, "="); ok && strings.TrimSpace(k) == name {
				value = strings.TrimSpace(v)
			}
		}
	}
	return value
}

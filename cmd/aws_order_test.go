package cmd

import (
	"strings"
	"testing"

	"github.com/envseal/envseal/cmd/internal/exit"
	"github.com/envseal/envseal/cmd/internal/flags"
	"github.com/envseal/envseal/cmd/internal/kms"
)

func TestAWSOrder(t *testing.T) {
	kms := kms.Command(nil)
	for line, want := range map[string]string{
		"encrypt --grant-tokens a b": "encrypt --grant-tokens a b",
		"kms":                        "kms",
		"kms --help":                 "kms --help",
		"kms help":                   "kms --help",
		"kms decrypt help":           "kms decrypt --help",
		"kms --region r --debug decrypt --key-id k":               "kms decrypt --region r --debug --key-id k",
		"kms --output=text decrypt":                               "kms decrypt --output=text",
		"kms decrypt --grant-tokens a b --key-id k":               "kms decrypt --grant-tokens a --grant-tokens b --key-id k",
		"kms decrypt --grant-tokens --key-id k":                   "kms decrypt --key-id k",
		"kms decrypt --grant-tokens":                              "kms decrypt",
		"kms decrypt --key-id --grant-tokens --grant-tokens a b":  "kms decrypt --key-id --grant-tokens --grant-tokens a --grant-tokens b",
		"kms decrypt --generate-cli-skeleton":                     "kms decrypt --generate-cli-skeleton=input",
		"kms decrypt --generate-cli-skeleton --region r":          "kms decrypt --generate-cli-skeleton=input --region r",
		"kms decrypt --generate-cli-skeleton output":              "kms decrypt --generate-cli-skeleton output",
		"kms decrypt --no-dry-run --grant-tokens a -- --x b":      "kms decrypt --no-dry-run --grant-tokens a -- --x b",
		"kms generate-data-key --dry-run --number-of-bytes -5 -f": "kms generate-data-key --dry-run --number-of-bytes -5 -f",
	} {
		got, err := flags.AWSOrder(kms, append([]string{"envseal"}, strings.Fields(line)...))
		if err != nil || strings.Join(got[1:], " ") != want {
			t.Errorf("%s: %q, %v", line, got, err)
		}
	}
	_, err := flags.AWSOrder(kms, []string{"envseal", "kms", "list-keys", "--limit", "5"})
	if exit.Code(err) != exit.Usage || !strings.Contains(err.Error(), "list-keys") {
		t.Errorf("an unknown operation: %v", err)
	}
}

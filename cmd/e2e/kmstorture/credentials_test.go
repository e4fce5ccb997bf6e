//go:build torture

package kmstorture

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// login is a source of credentials and what must come of it.
type login struct {
	name string
	// shell that the credential_process runs after it has noted the call; $n is the number of the
	// call; empty: nothing is configured
	process  string
	faults   string
	attempts int
	asked    int // calls of the credential_process
	code     int
	time     time.Duration
	words    []string
}

const (
	newEachTime = `echo "{\"Version\":1,\"AccessKeyId\":\"AKIDEXAMPLE\",\"SecretAccessKey\":\"x\",\"SessionToken\":\"token$n\"}"`
	alwaysSame  = `echo '{"Version":1,"AccessKeyId":"AKIDEXAMPLE","SecretAccessKey":"x","SessionToken":"token"}'`
)

func logins() []login {
	return []login{
		{"token expired, new one at hand", newEachTime, "*=expired:1", 2, 2, 0, slack, nil},
		{"token expired, new one expired too", newEachTime, "*=expired", 2, 2, 5, slack,
			[]string{"ExpiredTokenException", "have expired", "log in again"}},
		{"token expired, no new one", alwaysSame, "*=expired", 1, 2, 5, slack,
			[]string{"ExpiredTokenException", "have expired", "log in again"}},
		{"credential_process fails", "exit 1", "", 0, 1, 5, slack,
			[]string{"credential_process", "failed", "run it by hand"}},
		{"credential_process prints a page", "echo '<html>'", "", 0, 1, 5, slack,
			[]string{"credential_process", "failed", "run it by hand"}},
		{"credential_process hangs", "exec sleep 100", "", 0, 1, 5, 10*time.Second + slack,
			[]string{"credential_process", "failed"}},
		{"no credentials, the metadata never answer", "", "", 0, 0, 5, 2*time.Second + slack,
			[]string{"no AWS credentials", "aws sso login"}},
	}
}

// TestTortureKMSCredentials has credentials expire and fail.
func TestTortureKMSCredentials(t *testing.T) {
	t.Parallel()
	count := newTally(t)
	type trial struct {
		login
		command
	}
	var all []trial
	for _, l := range logins() {
		for _, c := range networkCommands() {
			all = append(all, trial{l, c})
		}
	}
	inParallel(all, func(x trial) {
		o, err := x.login.try(x.command)
		if err != nil {
			t.Errorf("%s during %s: %v\n%s", x.login.name, x.command.name, err, o.stderr)
		}
		count.count("envseal", x.login.name, o, err != nil,
			fmt.Sprintf("%d attempts, credentials asked for %d times, exit %d",
				x.attempts, x.asked, x.login.code))
	})
}

func (l login) try(c command) (outcome, error) {
	s, err := serveAnybody(l.faults)
	if err != nil {
		return outcome{}, err
	}
	defer s.end()
	home, err := workplace()
	if err != nil {
		return outcome{}, err
	}
	defer os.RemoveAll(home)
	env, end, err := l.environment(home)
	if err != nil {
		return outcome{}, err
	}
	defer end()
	row := breakage{least: l.attempts, most: l.attempts, code: l.code, time: l.time, words: l.words}
	o, err := row.run(c, append(env, s.env[0], s.env[3]))
	asked, readErr := os.ReadFile(filepath.Join(home, "asked"))
	if readErr != nil && !errors.Is(readErr, os.ErrNotExist) {
		return o, readErr
	}
	if n := strings.Count(string(asked), "\n"); n != l.asked {
		err = errors.Join(err, fmt.Errorf("credentials were asked for %d times, want %d", n, l.asked))
	}
	return o, err
}

// environment writes the profile and the program that it names.
func (l login) environment(home string) (env []string, end func(), err error) {
	if l.process == "" {
		addr, end, err := blackHole()
		return []string{"AWS_EC2_METADATA_DISABLED=false",
			"AWS_EC2_METADATA_SERVICE_ENDPOINT=http://" + addr}, end, err
	}
	script, config := filepath.Join(home, "credentials.sh"), filepath.Join(home, "config")
	text := "echo called >>" + filepath.Join(home, "asked") + "\nn=$(wc -l <" +
		filepath.Join(home, "asked") + ")\n" + l.process + "\n"
	err = errors.Join(os.WriteFile(script, []byte(text), 0o600),
		os.WriteFile(config, []byte("[default]\ncredential_process = sh "+script+"\n"), 0o600))
	return []string{"AWS_CONFIG_FILE=" + config}, func() {}, err
}

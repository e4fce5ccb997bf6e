//go:build bench

package bench

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// others adds up what the rest of the machine did while programs were measured: a busy machine
// makes the figures worthless, so the document says how busy it was.
type others struct {
	busy, wall time.Duration // busy is CPU time on all cores
}

// tick is the unit of /proc/stat (proc_stat(5)): USER_HZ, which is 100 on every architecture that
// Go knows.
const tick = 10 * time.Millisecond

// busyTime is the CPU time that the machine was not idle since it started.
func busyTime() (time.Duration, error) {
	content, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, err
	}
	line, _, _ := strings.Cut(string(content), "\n")
	fields := strings.Fields(line)
	if len(fields) < 9 || fields[0] != "cpu" {
		return 0, fmt.Errorf("/proc/stat: %q: not what is expected", line)
	}
	var sum time.Duration
	for i, field := range fields[1:9] { // user nice system idle iowait irq softirq steal
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("/proc/stat: %w", err)
		}
		if i != 3 && i != 4 {
			sum += time.Duration(n) * tick
		}
	}
	return sum, nil
}

// add counts a run during which the machine was busy for so long, and the programs measured for
// own.
func (o *others) add(busy, own, wall time.Duration) {
	if wall < 20*tick {
		return // too short for the clock of /proc/stat
	}
	o.busy += busy - own
	o.wall += wall
}

func (o *others) String() string {
	if o.wall == 0 {
		return "an unknown share of the cores"
	}
	return fmt.Sprintf("%.0f %% of all cores",
		100*max(0, o.busy.Seconds())/o.wall.Seconds()/float64(runtime.NumCPU()))
}

package cmd

import "strings"

const lettersAndDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

// consistsOf tells whether s has no characters but those of set.
func consistsOf(s, set string) bool { return strings.Trim(s, set) == "" }

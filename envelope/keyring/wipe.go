package keyring

import (
	"reflect"
	"unsafe"
)

// wipeField zeroes a field of a key that the standard library made and offers no way to wipe. v is a pointer; path leads through structs,
// pointers and interfaces to a slice or to a value without pointers. It tells whether there was such a field: a new Go release
// may move it, which a test notices, and nothing but the wiping is lost.
func wipeField(v any, path ...string) bool {
	f := follow(reflect.ValueOf(v))
	for _, name := range path {
		if f.Kind() != reflect.Struct {
			return false
		}
		f = follow(f.FieldByName(name))
	}
	switch {
	case !f.IsValid():
		return false
	case f.Kind() == reflect.Slice && flat(f.Type().Elem()):
		clear(unsafe.Slice((*byte)(f.UnsafePointer()), uintptr(f.Len())*f.Type().Elem().Size()))
		return true
	case f.CanAddr() && flat(f.Type()):
		clear(unsafe.Slice((*byte)(unsafe.Pointer(f.UnsafeAddr())), f.Type().Size()))
		return true
	}
	return false
}

func follow(f reflect.Value) reflect.Value {
	for f.Kind() == reflect.Pointer || f.Kind() == reflect.Interface {
		f = f.Elem()
	}
	return f
}

// flat tells whether values of the type hold no pointers, so that zeros may be written over them.
func flat(t reflect.Type) bool {
	switch k := t.Kind(); k {
	case reflect.Array:
		return flat(t.Elem())
	case reflect.Struct:
		for i := range t.NumField() {
			if !flat(t.Field(i).Type) {
				return false
			}
		}
		return true
	default:
		return k >= reflect.Bool && k <= reflect.Complex128
	}
}

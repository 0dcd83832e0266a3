import "uplot";

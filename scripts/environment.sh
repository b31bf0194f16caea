# Virtual environments of Python, for the scripts that source this file.

# make_environment PYTHON FOLDER [WORD…]: makes a virtual environment in FOLDER with PYTHON, unless there is one, and gives the
# WORDs to `pip install` there.
make_environment() {
  local python=$1 folder=$2
  shift 2
  [ -x "$folder/bin/python" ] || "$python" -m venv "$folder" || {
    echo "scripts/${0##*/}: $python cannot make a virtual environment in $folder; install venv (Debian: apt install python3-venv)" >&2
    exit 1
  }
  [ $# = 0 ] || "$folder/bin/python" -m pip install --quiet --disable-pip-version-check "$@"
}

run:
	@exec "$(PYTHON)" driver.py

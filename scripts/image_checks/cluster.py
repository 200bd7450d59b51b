def checks(engine, scratch):
    pass
